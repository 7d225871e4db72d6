"""MLflow's aliases follow the traffic: `stable`, `canary`, and `champion` for the trusted one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from contracts.text import without_password
from serving.release.state import CANARY, STABLE

Result = TypeVar("Result")

CHAMPION = "champion"
# What the tracker writes to a registered version: where it was pushed to.
_PUSHED_TO = "pushed_to"
_SQLITE = "sqlite:///"
# MLflow's defaults retry for minutes; traffic has moved already when MLflow is informed.
_SETTINGS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


@dataclass(frozen=True)
class Aliases:
    """The aliases of one model; a registry that cannot be reached is reported, and no more.

    Attributes:
      uri: MLflow's; None for none.
      folder: The model's folder, which its versions were pushed to.
      tell: Called with what goes wrong.
    """

    uri: str | None
    folder: Path
    tell: Callable[[str], None]

    def follow(self, stable: int, canary: int | None) -> bool:
        """Brings the aliases to where the traffic goes.

        Args:
          stable: The version that is trusted.
          canary: The one on trial; None takes the alias away.

        Returns:
          Whether there is a registered version that the aliases name now.
        """
        return bool(self._ask(lambda client: _follow(client, self.folder, stable, canary)))

    def read(self) -> dict[str, str] | None:
        """The aliases, with MLflow's number of each; None where there is no such model."""
        return self._ask(lambda client: _aliases(client, self.folder))

    def restore(self, aliases: Mapping[str, str] | None) -> None:
        """Puts back what `read` gave; None leaves all as it is."""
        if aliases is not None:
            self._ask(lambda client: _restore(client, self.folder.name, aliases))

    def _ask(self, act: Callable[[Any], Result]) -> Result | None:
        """What is done with MLflow's client; None where there is no registry to ask."""
        if self.uri is None or not _is_there(self.uri):
            return None
        for key, value in _SETTINGS.items():
            os.environ.setdefault(key, value)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return act(MlflowClient(tracking_uri=self.uri, registry_uri=self.uri))
        except (MlflowException, SQLAlchemyError, OSError) as error:
            text = without_password(str(error), self.uri)
            reason = text.splitlines()[0] if text else type(error).__name__
            self.tell(f"warning: MLflow's aliases of {self.folder.name} are as they were: {reason}")
            return None


def _aliases(client: Any, folder: Path) -> dict[str, str] | None:
    if not client.search_registered_models(f"name='{folder.name}'"):
        return None
    found = client.get_registered_model(folder.name).aliases
    return {alias: str(number) for alias, number in found.items()}


def _restore(client: Any, name: str, aliases: Mapping[str, str]) -> None:
    now = client.get_registered_model(name).aliases
    for alias in (STABLE, CHAMPION, CANARY):
        if alias in aliases and str(now.get(alias)) != aliases[alias]:
            client.set_registered_model_alias(name, alias, aliases[alias])
        elif alias in now and alias not in aliases:
            client.delete_registered_model_alias(name, alias)


def _is_there(uri: str) -> bool:
    """A local database is not made for a model that nobody registered."""
    return not uri.startswith(_SQLITE) or Path(uri.removeprefix(_SQLITE)).is_file()


def _follow(client: Any, folder: Path, stable: int, canary: int | None) -> bool:
    name = folder.name
    if not client.search_registered_models(f"name='{name}'"):
        return False
    registered = _registered(client, folder)
    if stable not in registered:
        return False
    for alias in (STABLE, CHAMPION):
        client.set_registered_model_alias(name, alias, registered[stable])
    if canary in registered:
        client.set_registered_model_alias(name, CANARY, registered[canary])
    elif CANARY in client.get_registered_model(name).aliases:
        client.delete_registered_model_alias(name, CANARY)
    return True


def _registered(client: Any, folder: Path) -> dict[int, str]:
    """MLflow's numbers of the versions, by those of the folder; the newest counts."""
    found: dict[int, str] = {}
    versions = client.search_model_versions(f"name='{folder.name}'")
    for one in sorted(versions, key=lambda version: int(version.version)):
        pushed = Path(one.tags.get(_PUSHED_TO, ""))
        if pushed.name.isdecimal() and pushed.parent.resolve() == folder.resolve():
            found[int(pushed.name)] = str(one.version)
    return found
