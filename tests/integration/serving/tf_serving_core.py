"""TensorFlow Serving's core, without its ports: config, labels, aspired versions, loads."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from contracts.errors import KelpError


class Refused(Exception):
    """A status that is not OK.

    Args:
      code: Its canonical name.
      message: Its message.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Version:
    """What the state monitor knows of a version: it forgets none."""

    state: str = "START"
    code: str = "OK"
    message: str = ""


@dataclass
class Harness:
    """A version that the manager holds now."""

    path: Path
    state: str = "NEW"
    is_aspired: bool = True
    servable: Any = None


@dataclass
class Core:
    """The server without its ports: config, labels, aspired versions, loads.

    Attributes:
      load: Loads a version's folder.
      retries: --max_num_load_retries.
      retry_s: --load_retry_interval_micros.
      labels_early: --allow_version_labels_for_unavailable_models.
    """

    load: Callable[[Path], Any]
    retries: int = 1
    retry_s: float = 0.05
    labels_early: bool = True
    config: Any = field(default_factory=ModelServerConfig)
    source: Any = field(default_factory=ModelServerConfig)
    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    states: dict[str, dict[int, Version]] = field(default_factory=dict)
    managed: dict[str, dict[int, Harness]] = field(default_factory=dict)
    pending: dict[str, dict[int, Path]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def reload(self, config: Any) -> None:
        """ServerCore::ReloadConfig: labels first, then versions."""
        with self.lock:
            names = [one.name for one in config.model_config_list.config]
            if len(set(names)) < len(names):
                raise Refused("INVALID_ARGUMENT", "Illegal to list a model multiple times")
            self.config = config
            self.labels = self._label_map()
            for gone in {one.name for one in self.source.model_config_list.config} - {*names}:
                self.pending[gone] = {}
            self.source = config

    def _label_map(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for model in self.config.model_config_list.config:
            known = self.labels.get(model.name, {})
            for label, version in model.version_labels.items():
                moves = label in known and known[label] != version
                state = self.states.get(model.name, {}).get(version, Version()).state
                if state != "AVAILABLE" and (moves or not self.labels_early):
                    raise Refused(
                        "FAILED_PRECONDITION",
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference",
                    )
                found.setdefault(model.name, {})[label] = version
        return found

    def look(self) -> None:
        """FileSystemStoragePathSource: one missing base path hides the versions of all models."""
        with self.lock:
            models = list(self.source.model_config_list.config)
            if not all(Path(one.base_path).is_dir() for one in models):
                return
            self.pending.update({one.name: _aspired(one) for one in models})

    def manage(self) -> None:
        """AspiredVersionsManager: one turn of its loop, one action at most."""
        with self.lock:
            for name in list(self.pending):
                held = self.managed.setdefault(name, {})
                wanted = self.pending[name]
                # One that is on its way out has to be gone before it may come again.
                if not any(not one.is_aspired and key in wanted for key, one in held.items()):
                    self._aspire(name, held, self.pending.pop(name))
                self._flush(held)
            action = next(filter(None, map(self._next, self.managed)), None)
        if action is not None:
            action()

    def _aspire(self, name: str, held: dict[int, Harness], wanted: dict[int, Path]) -> None:
        for version, harness in held.items():
            harness.is_aspired = version in wanted
        for version in wanted.keys() - held.keys():
            held[version] = Harness(wanted[version])
            self.states.setdefault(name, {})[version] = Version()

    def _flush(self, held: dict[int, Harness]) -> None:
        for version, harness in list(held.items()):
            if not harness.is_aspired and harness.state in ("NEW", "ERROR", "DISABLED"):
                del held[version]

    def _next(self, name: str) -> Callable[[], None] | None:
        """AvailabilityPreservingPolicy."""
        held = self.managed[name]
        aspired = {key: one for key, one in held.items() if one.is_aspired}
        leaving = sorted(
            key for key, one in held.items() if not one.is_aspired and one.state == "READY"
        )
        serves = any(one.state == "READY" for one in aspired.values())
        if leaving and (not aspired or serves or len(leaving) > 1):
            return lambda: self._unload(name, leaving[0])
        new = [key for key, one in aspired.items() if one.state == "NEW"]
        return (lambda: self._load(name, max(new))) if new else None

    def _load(self, name: str, version: int) -> None:
        harness, state = self.managed[name][version], self.states[name][version]
        state.state = "LOADING"
        for tried in range(self.retries + 1):
            if tried:
                time.sleep(self.retry_s)
            try:
                harness.servable = self.load(harness.path)
            except (KelpError, OSError, ValueError) as error:
                problem = str(error)
            else:
                with self.lock:
                    harness.state, state.state = "READY", "AVAILABLE"
                return
        with self.lock:
            harness.state = "ERROR"
            self.states[name][version] = Version("END", "NOT_FOUND", problem)

    def _unload(self, name: str, version: int) -> None:
        with self.lock:
            self.managed[name][version].state = "DISABLED"
            self.states[name][version] = Version("END")

    def latest_ended(self, name: str) -> str | None:
        """The state that the first load waits for: of the newest that came so far."""
        with self.lock:
            states = self.states.get(name, {})
            reached = (states[key].state for key in sorted(states, reverse=True))
            return next((one for one in reached if one in ("AVAILABLE", "END")), None)

    def handle(self, name: str, version: int | None, label: str | None) -> tuple[int, Any]:
        """A servable, by the model spec of a request."""
        with self.lock:
            if label is not None:
                if label not in self.labels.get(name, {}):
                    raise Refused(
                        "INVALID_ARGUMENT", f"Unrecognized servable version label: {label}"
                    )
                version = self.labels[name][label]
            held = self.managed.get(name, {})
            ready = [key for key, one in held.items() if one.state == "READY"]
            wanted = max(ready, default=None) if version is None else version
            if wanted not in ready:
                spec = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise Refused("NOT_FOUND", f"Servable not found for request: {spec}")
            return wanted, held[wanted].servable

    def status(self, name: str, version: int | None) -> dict[str, Any]:
        """GetModelStatus: it has no branch for labels."""
        with self.lock:
            states = self.states.get(name, {})
            if version is not None and version not in states:
                message = f"Could not find version {version} of model {name}"
                raise Refused("NOT_FOUND", message)
            if not states:
                raise Refused("NOT_FOUND", f"Could not find any versions of model {name}")
            result = sorted(states, reverse=True) if version is None else [version]
            return {"model_version_status": [_described(key, states[key]) for key in result]}


def _aspired(model: Any) -> dict[int, Path]:
    base = Path(model.base_path)
    found = {
        int(one.name): one for one in base.iterdir() if re.fullmatch(r"\d+", one.name, re.ASCII)
    }
    policy = model.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return found
    if kind == "specific":
        return {key: found[key] for key in policy.specific.versions if key in found}
    newest = sorted(found, reverse=True)[: max(1, policy.latest.num_versions)]
    return {key: found[key] for key in newest}


def _described(version: int, known: Version) -> dict[str, Any]:
    status = {"error_code": known.code, "error_message": known.message}
    return {"version": str(version), "state": known.state, "status": status}
