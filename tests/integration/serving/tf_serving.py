"""Stands in for TensorFlow Serving: what its source does with versions, labels and config files.

The real server is an image that no test can start. This follows its code where `kelp release`
depends on it:

- `GET /v1/models/M/labels/L` looks only at a version: with a label, known or not, it answers
  with all versions, newest first, also those that ended long ago. `/metadata` and `:predict`
  go by the label.
- A label may be given to a version that is not available only where the label is new or stays
  where it was. Otherwise the whole new config is refused, and tried again at each poll.
- Models and labels come from a config file that is polled; versions from folders that are
  polled in their turn. Loading is serial, newest first, with retries, and a version is unloaded
  only when one that is wanted is available.
- The port opens after the first load of all models, and the server exits where the newest
  wanted version of a model cannot be loaded.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from contracts.errors import KelpError
from serving.errors import ServingError

_WHICH = r"(?:(?:/versions/(?P<version>\d+))|(?:/labels/(?P<label>[^/:]+)))?"
_PREDICT = re.compile(rf"(?i)/v1/models/(?P<name>[^/:]+){_WHICH}:predict")
_STATUS = re.compile(rf"(?i)/v1/models(?:/(?P<name>[^/:]+))?{_WHICH}(?P<metadata>/metadata)?")
_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNAVAILABLE": 503,
}
_TICK_S = 0.02


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


class StandIn:
    """The process: it polls, answers, or has exited.

    Args:
      config_file: --model_config_file.
      load: Loads a version's folder.
      poll_s: --model_config_file_poll_wait_seconds.
      look_s: --file_system_poll_wait_seconds.
      options: Of `Core`.
    """

    def __init__(
        self,
        config_file: Path,
        load: Callable[[Path], Any],
        poll_s: float = 0.1,
        look_s: float = 0.1,
        **options: Any,
    ) -> None:
        self.core = Core(load, **options)
        self.exit_status: int | None = None
        self._file = config_file
        self._stop = threading.Event()
        core = self.core
        handler = type("_BoundHandler", (_Handler,), {"core": core})
        # Bound, so that its number is known, but nobody listens yet.
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler, bind_and_activate=False)
        self._http.daemon_threads = True
        self._http.server_bind()
        self.port: int = self._http.server_address[1]
        self._threads = [
            threading.Thread(target=self._every, args=(_TICK_S, core.manage), daemon=True),
            threading.Thread(target=self._every, args=(look_s, core.look), daemon=True),
        ]
        self._poller = threading.Thread(target=self._every, args=(poll_s, self._poll), daemon=True)
        self._server = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def start(self, seconds: float = 30) -> None:
        """Loads, and listens once all models are there; or exits."""
        try:
            config = self._read()
            self.core.reload(config)
        except (OSError, text_format.ParseError, Refused):
            self._exit(1)
            return
        for thread in self._threads:
            thread.start()
        names = [one.name for one in config.model_config_list.config]
        end = time.monotonic() + seconds
        while None in (reached := [self.core.latest_ended(name) for name in names]):
            assert time.monotonic() < end, "the first load does not end"
            time.sleep(_TICK_S)
        if "END" in reached:
            self._exit(1)
            return
        self._http.server_activate()
        self._server.start()
        self._poller.start()

    def stop(self) -> None:
        """Ends the process."""
        if self.exit_status is None:
            self._exit(0)

    def _exit(self, status: int) -> None:
        self._stop.set()
        if self._server.is_alive():
            self._http.shutdown()
        self._http.server_close()
        for thread in (*self._threads, self._poller):
            if thread.is_alive():
                thread.join(10)
        self.exit_status = status

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while not self._stop.wait(seconds):
            act()

    def _read(self) -> Any:
        return text_format.Parse(self._file.read_text(), ModelServerConfig())

    def _poll(self) -> None:
        try:
            self.core.reload(self._read())
        except (OSError, text_format.ParseError, Refused) as error:
            self.core.refused.append(str(error))


class _Handler(BaseHTTPRequestHandler):
    """The REST API."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    core: Core

    def do_GET(self) -> None:
        """Status, or metadata."""
        self._reply(self._get)

    def do_POST(self) -> None:
        """Predict."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._reply(lambda: self._post(body))

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _get(self) -> dict[str, Any]:
        found = self._match(_STATUS)
        name, version, label = _spec(found)
        if found["metadata"]:
            version, servable = self.core.handle(name, version, label)
            spec = {"name": name, "signature_name": "", "version": str(version)}
            return {"model_spec": spec, "metadata": servable.metadata}
        return self.core.status(name, version)

    def _post(self, body: bytes) -> dict[str, Any]:
        name, version, label = _spec(self._match(_PREDICT))
        _, servable = self.core.handle(name, version, label)
        request = json.loads(body)
        by_row = "instances" in request
        x = request["instances"] if by_row else request["inputs"]["x"]
        try:
            outputs = servable.run("serving_default", {"x": np.asarray(x, np.float32)})
        except ServingError as error:
            raise Refused("INTERNAL", error.message) from error
        return {"predictions" if by_row else "outputs": outputs["p"].tolist()}

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.fullmatch(self.path)
        if found is None:
            raise Refused("INVALID_ARGUMENT", f"Malformed request: {self.command} {self.path}")
        return found

    def _reply(self, answer: Callable[[], dict[str, Any]]) -> None:
        status, content = 200, None
        if not self.path.lower().startswith("/v1/"):
            # No handler takes it.
            status = 404
        else:
            try:
                content = answer()
            except Refused as refused:
                status, content = _CODES[refused.code], {"error": str(refused)}
        body = b"" if content is None else json.dumps(content, indent=4).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


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


def _spec(found: re.Match[str]) -> tuple[str, int | None, str | None]:
    if not found["name"]:
        raise Refused("INVALID_ARGUMENT", "Missing model name in request.")
    label = urllib.parse.unquote(found["label"]) if found["label"] else None
    version = int(found["version"]) if found["version"] else None
    return urllib.parse.unquote(found["name"]), version, label


def _described(version: int, known: Version) -> dict[str, Any]:
    status = {"error_code": known.code, "error_message": known.message}
    return {"version": str(version), "state": known.state, "status": status}
