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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import ServingError
from tests.integration.serving.tf_serving_core import Core, Refused

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


def _spec(found: re.Match[str]) -> tuple[str, int | None, str | None]:
    if not found["name"]:
        raise Refused("INVALID_ARGUMENT", "Missing model name in request.")
    label = urllib.parse.unquote(found["label"]) if found["label"] else None
    version = int(found["version"]) if found["version"] else None
    return urllib.parse.unquote(found["name"]), version, label
