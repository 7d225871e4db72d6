"""Opens a metadata store on a database server, and says why where that fails."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.errors import StatusError

from contracts.errors import EnvironmentProblem
from pipelines.execution.capture import captured
from pipelines.execution.metadata import PASSWORD_VARIABLE, Connection
from pipelines.execution.server_store import ServerStore

_OPENINGS = 10
# Once connected, it is worth another try: two processes may create the same tables at once.
_NOT_CONNECTED = ("connection pointer is NULL", "mysql_real_connect failed")
_REASONS = ("PostgreSQL error:", "error:")


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
            if not refused.is_connected:
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
      is_connected: Whether the server answered, and let this user in.
    """

    def __init__(self, reason: str, is_connected: bool) -> None:
        super().__init__(reason)
        self.reason, self.is_connected = reason, is_connected


def _create(connection: Connection) -> mlmd.MetadataStore:
    with tempfile.TemporaryDirectory(prefix="kelp-") as folder:
        log = Path(folder) / "log"
        try:
            # The reason is on standard error only, since a library in C writes it.
            with captured(log):
                return ServerStore(connection.config)
        except (RuntimeError, StatusError) as error:
            text = f"{log.read_text(encoding='utf-8', errors='replace')}\n{error}"
            if connection.password:
                text = text.replace(connection.password, "***")
            reason = _reason(text)
            is_connected = not any(sign in text for sign in _NOT_CONNECTED)
            # Without its cause: a trace would repeat what the server said, unfiltered.
            raise _RefusedError(reason, is_connected) from None


def _reason(text: str) -> str:
    """The first line that says why, of what the database's library wrote."""
    lines = [line.strip() for line in text.splitlines()]
    reasons = (line.partition(sign)[2].strip() for sign in _REASONS for line in lines)
    return next(filter(None, reasons), "the connection failed, for no reason that is given")
