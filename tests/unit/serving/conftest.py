"""What all tests of the server share."""

from tests.fixtures.spared_collector import collections

__all__ = ["collections"]
