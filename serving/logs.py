"""One JSON object a line for whatever the server has to say."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_redirecting = threading.Lock()


class JsonFormatter(logging.Formatter):
    """Formats a record, and what came with it as `extra`, as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        time = datetime.fromtimestamp(record.created, timezone.utc)
        fields: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            "pid": record.process,
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def log_as_json() -> None:
    """Sends what serving logs, and uvicorn's errors, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, level in (("serving", logging.INFO), ("uvicorn", logging.ERROR)):
        library = logging.getLogger(name)
        library.handlers = [handler]
        library.setLevel(level)
        library.propagate = False


@contextlib.contextmanager
def libraries_as_json() -> Iterator[None]:
    """Logs what libraries meanwhile write to standard error past Python, where logs are JSON.

    TensorFlow greets there when it is imported, whatever its log level.
    """
    log = logging.getLogger("serving")
    if not any(isinstance(each.formatter, JsonFormatter) for each in log.handlers):
        yield
        return
    with _redirecting, tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            _repeat(file.read().decode(errors="replace"), log)


def _repeat(text: str, log: logging.Logger) -> None:
    for line in filter(None, text.splitlines()):
        if line.startswith("{"):
            print(line, file=sys.stderr)  # ours, from another thread
        else:
            log.info("library", extra={"line": line})
