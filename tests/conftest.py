"""One object store for all tests of a process, made when the first of them asks."""

from contracts.spared_imports import spare_imports
from tests.fixtures.object_store import bucket, object_store

__all__ = ["bucket", "object_store"]


def pytest_configure() -> None:
    """The processes of the tests import what those of Kelp import."""
    spare_imports()
