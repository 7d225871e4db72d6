"""Reads MLflow's registry: versions of a model, and why each was blessed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.tracker.connection import connect, database
from components.tracker.track import PUSHED_TO, VERDICT_RUN
from contracts.errors import ConfigError, EnvironmentProblem
from contracts.text import without_password


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Attributes:
      name: The model's name.
      number: The version.
      aliases: Such as `candidate` and `champion`.
      created_ms: When it was registered, in milliseconds since 1970.
      run_id: The MLflow run with its newest verdict.
      tags: Of the version.
      metrics: Of that run, epochs left out.
    """

    name: str
    number: int
    aliases: tuple[str, ...]
    created_ms: int
    run_id: str
    tags: dict[str, str]
    metrics: dict[str, float]

    @property
    def pushed_to(self) -> str:
        """The folder that it was pushed to; empty where it was not."""
        return self.tags.get(PUSHED_TO, "")

    @property
    def shown_metrics(self) -> list[str]:
        """The main metric first, then those that a bound is set for."""
        names = self.tags.get("metrics", "").split(",")
        return [name for name in names if name in self.metrics]


class Registry:
    """The registry of one MLflow.

    Attributes:
      uri: Its address, without a password.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._client = client
        self.uri = without_password(uri, uri)

    def names(self) -> list[str]:
        """The registered models, by name."""
        return sorted(str(model.name) for model in self._all("search_registered_models"))

    def versions(self, name: str) -> list[Version]:
        """The versions of a model, newest first."""
        found = [
            self._version(entry) for entry in self._all("search_model_versions", f"name='{name}'")
        ]
        return sorted(found, key=lambda version: version.number, reverse=True)

    def find(self, name: str, wanted: str) -> Version:
        """Gives a version by number, such as `3` or `v3`, or by alias.

        Raises:
          ConfigError: there is none.
        """
        versions = self.versions(name)
        number = wanted.removeprefix("v")
        for version in versions:
            if wanted in version.aliases or number == str(version.number):
                return version
        known = [str(version.number) for version in versions]
        known += sorted({alias for version in versions for alias in version.aliases})
        raise ConfigError(
            f"the model {name!r} has no version {wanted!r}",
            where=self.uri,
            expected=f"one of: {', '.join(known)}" if known else "a registered version",
            received=wanted,
            fix=f"kelp models {name}" if known else "only blessed models are registered",
        )

    def read(self, run_id: str, file: str) -> Any:
        """Gives the content of a JSON file of an MLflow run, None where it has none."""
        if file not in {item.path for item in self._client.list_artifacts(run_id)}:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = self._client.download_artifacts(run_id, file, folder)
            return json.loads(Path(path).read_text(encoding="utf-8"))

    def _version(self, entry: Any) -> Version:
        # A search leaves the aliases out.
        full = self._client.get_model_version(entry.name, entry.version)
        run_id = full.tags.get(VERDICT_RUN, full.run_id)
        metrics = self._client.get_run(run_id).data.metrics
        return Version(
            name=full.name,
            number=int(full.version),
            aliases=tuple(sorted(full.aliases)),
            created_ms=int(full.creation_timestamp),
            run_id=run_id,
            tags=dict(full.tags),
            metrics={key: value for key, value in metrics.items() if not key.startswith("epoch_")},
        )

    def _all(self, method: str, *filters: str) -> Iterator[Any]:
        token = None
        while True:
            page = getattr(self._client, method)(*filters, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


@contextmanager
def open_registry(uri: str) -> Iterator[Registry]:
    """Opens the registry of an MLflow, and makes none where there is none.

    Raises:
      EnvironmentProblem: MLflow cannot be read.
    """
    local = database(uri)
    if local is not None and not local.is_file():
        raise EnvironmentProblem(
            "there is no MLflow yet",
            where=uri,
            expected="the database that the first tracked run writes",
            fix="kelp run CONFIG, or name the config whose tracking.uri is meant",
        )
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with connect(uri) as client:
            yield Registry(client, uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise EnvironmentProblem(
            "MLflow cannot be read",
            where=without_password(uri, uri),
            expected="a server that answers, or a database of this MLflow",
            received=without_password(f"{type(error).__name__}: {error}", uri).splitlines()[0],
            fix="start it, or set MLFLOW_TRACKING_URI or the config's tracking.uri",
        ) from error
