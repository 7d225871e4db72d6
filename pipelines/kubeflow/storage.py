"""Where a config's files lie on a cluster: below a mounted volume, or in a bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator

from contracts.errors import ConfigError
from pipelines.config.problem import LoadedConfig
from pipelines.kubeflow.config import BucketStorage

# An address, such as gs://, or a path from the root.
_ABSOLUTE = ("/", "gs://", "s3://")


def storage_overrides(loaded: LoadedConfig) -> list[str]:
    """Gives the overrides that put a config's relative paths into its bucket; none for a volume.

    Raises:
      ConfigError: MLflow's database is a file, which no bucket can hold.
    """
    storage = loaded.config.kubeflow.storage
    if not isinstance(storage, BucketStorage):
        return []
    _require_server(loaded)
    return [
        f"{key}={json.dumps(f'{storage.root}/{path}')}"
        for key, path in _paths(loaded)
        if not path.startswith(_ABSOLUTE)
    ]


def working_folder(loaded: LoadedConfig) -> str:
    """The folder that relative paths of the config lie in; empty with a bucket."""
    storage = loaded.config.kubeflow.storage
    return "" if isinstance(storage, BucketStorage) else storage.path


def _paths(loaded: LoadedConfig) -> Iterator[tuple[str, str]]:
    config = loaded.config
    yield "data.path", config.data.path
    yield "runs", config.runs
    yield "push.root", config.push.root
    yield "push.artifacts", config.push.artifacts


def _require_server(loaded: LoadedConfig) -> None:
    tracking = loaded.config.tracking
    if tracking.enabled and tracking.uri.startswith("sqlite:"):
        raise ConfigError(
            "MLflow's database is a file, and with a bucket the tasks share no files.",
            where=f"{loaded.path}, key tracking.uri",
            expected="the address of an MLflow server, or tracking.enabled: false",
            received=tracking.uri,
            fix="tracking.uri=https://mlflow.example.org, or kubeflow.storage.kind=pvc",
        )
