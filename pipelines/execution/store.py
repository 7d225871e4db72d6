"""The connection to a metadata store: kept open, and opened again after a server's restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ml_metadata.errors import StatusError
from tfx.orchestration import metadata

from contracts.errors import EnvironmentProblem
from pipelines.execution.metadata import Connection
from pipelines.execution.metadata_server import open_server

T = TypeVar("T")


class StoreConnection(metadata.Metadata):
    """A connection that stays open from one node to the next: opening it costs 0.1 s.

    Attributes:
      where: The store as errors name it.
    """

    def __init__(self, connection: Connection) -> None:
        """Opens the store.

        Raises:
          EnvironmentProblem: The server does not answer.
        """
        super().__init__(connection.config)
        self.where = connection.where
        self._connection = connection
        self._open()

    def __enter__(self) -> StoreConnection:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the connection open."""

    def repeated(self, action: Callable[[], T]) -> T:
        """Gives the result of `action`; does it again where the server had gone away.

        Args:
          action: What reads or writes the store. It may have been done halfway, or in full,
            when the connection was lost.

        Raises:
          EnvironmentProblem: The server does not come back.
        """
        try:
            return action()
        except (StatusError, RuntimeError):
            if self._connection.server is None or self._answers():
                raise
        self._reopen()
        return action()

    def _open(self) -> None:
        if self._connection.server is None:
            super().__enter__()
        else:
            self._store = open_server(self._connection)

    def _answers(self) -> bool:
        try:
            self.store.get_artifacts_by_id([0])
        except StatusError:
            return False
        return True

    def _reopen(self) -> None:
        deadline = time.monotonic() + self._connection.wait_s
        while True:
            try:
                return self._open()
            except EnvironmentProblem:
                if time.monotonic() > deadline:
                    raise
            time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))
