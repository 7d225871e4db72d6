"""The object store of these tests."""

from tests.fixtures.object_store import bucket, object_store

__all__ = ["bucket", "object_store"]
