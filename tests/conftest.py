"""One object store for all tests of a process, made when the first of them asks."""

from tests.fixtures.object_store import bucket, object_store

__all__ = ["bucket", "object_store"]
