"""The way to MLflow: its client, which neither waits for long nor draws progress bars."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SQLITE = "sqlite:///"
# MLflow's defaults retry for minutes; an unreachable server must not hold up a run.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def database(uri: str) -> Path | None:
    """The file of a local MLflow; None for any other."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


@contextmanager
def connect(uri: str) -> Iterator[Any]:
    """Gives an `MlflowClient` that does not wait long.

    Raises:
      Exception: whatever MLflow raises when it cannot be reached.
    """
    before = {key: os.environ.get(key) for key in _SETTINGS}
    os.environ.update({key: value for key, value in _SETTINGS.items() if before[key] is None})
    try:
        from mlflow import MlflowClient

        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
