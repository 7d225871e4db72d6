"""The connection to a metadata store: kept open, and opened again after a server's restart."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import ml_metadata as mlmd
from ml_metadata.errors import StatusError
from tfx.orchestration import metadata

from contracts.errors import EnvironmentProblem
from pipelines.execution.capture import captured
from pipelines.execution.metadata import PASSWORD_VARIABLE, Connection

T = TypeVar("T")

_OPENINGS = 10
# Two runs that create the same database, or its tables, at once: one of them must try again.
_RACES = ("already exists", "duplicate key", "aborted")
_REASONS = ("PostgreSQL error:", "error:")


class StoreConnection(metadata.Metadata):
    """A connection that stays open from one node to the next: opening it costs 0.1 s."""

    def __init__(self, connection: Connection) -> None:
        """Opens the store.

        Raises:
          EnvironmentProblem: The server does not answer.
        """
        super().__init__(connection.config)
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


def open_server(connection: Connection) -> mlmd.MetadataStore:
    """Opens a store on a server; creates its database and tables where they are missing.

    Raises:
      EnvironmentProblem: The server does not answer, or refuses.
    """
    for _ in range(_OPENINGS):
        try:
            return _create(connection)
        except _RefusedError as refused:
            reason = refused.reason
            if not refused.is_race:
                break
        time.sleep(random.random() / 2)
    raise EnvironmentProblem(
        "The metadata store does not answer.",
        where=f"key metadata: {connection.where}",
        expected="a server that lets this user create a database's tables, and write to them",
        received=reason,
        fix=f"start the server, or correct metadata or {PASSWORD_VARIABLE}; then run again",
    )


class _RefusedError(Exception):
    """The store could not be opened.

    Attributes:
      reason: What the server or its library said, without the password.
      is_race: Whether another process was creating the same tables.
    """

    def __init__(self, reason: str, is_race: bool) -> None:
        super().__init__(reason)
        self.reason, self.is_race = reason, is_race


def _create(connection: Connection) -> mlmd.MetadataStore:
    with tempfile.TemporaryDirectory(prefix="kelp-") as folder:
        log = Path(folder) / "log"
        try:
            # The reason is on standard error only, since a library in C writes it.
            with captured(log):
                return mlmd.MetadataStore(connection.config)
        except (RuntimeError, StatusError) as error:
            text = f"{log.read_text(encoding='utf-8', errors='replace')}\n{error}"
            reason = _without_password(_reason(text), connection)
            is_race = any(sign in text for sign in _RACES)
            # Without its cause: a trace would repeat what the server said, unfiltered.
            raise _RefusedError(reason, is_race) from None


def _reason(text: str) -> str:
    """The first line that says why, of what the database's library wrote."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for sign in _REASONS:
        for line in lines:
            reason = line.partition(sign)[2].strip()
            if reason:
                return reason
    return lines[-1] if lines else "no reason given"


def _without_password(text: str, connection: Connection) -> str:
    kind = connection.config.WhichOneof("config")
    password: str = getattr(connection.config, kind or "").password
    return text.replace(password, "***") if password else text
