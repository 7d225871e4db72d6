"""A real server process over tiny real models, and what tests ask of it."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx

from contracts.artifact import Artifact, TensorInput, digest
from contracts.preparation import Preparation
from tests.fixtures.forked import fork_server
from tests.fixtures.raw_feature import raw_feature

ROOT = Path(__file__).parents[3]
ROW = b'{"instances": [{"x": 2.0, "city": "Oslo"}]}'
START_S = 120.0
_KELP = (sys.executable, str(Path(__file__).with_name("start.py")))

_WRITE = """
import sys
import tensorflow as tf

class Scale(tf.Module):
    def __init__(self, by):
        super().__init__()
        self.by = tf.Variable(float(by))

    @tf.function(input_signature=[
        tf.TensorSpec([None], tf.float32, name="x"), tf.TensorSpec([None], tf.string, name="city")
    ])
    def call(self, x, city):
        length = tf.cast(tf.strings.length(city), tf.float32)
        return {"scaled": x * self.by, "length": length}

class Loop(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="times")])
    def call(self, times):
        most = tf.reduce_max(times)
        last = tf.while_loop(lambda i, x: i < most, lambda i, x: (i + 1, tf.sin(x)), (0, 1.0))
        return {"last": tf.fill(tf.shape(times), last[1])}

loop, *folders = sys.argv[1:]
model = Loop()
tf.saved_model.save(model, loop, signatures=model.call)
for by, folder in enumerate(folders, 1):
    model = Scale(by)
    tf.saved_model.save(model, folder, signatures=model.call)
"""


def write_models(loop: Path, *folders: Path) -> None:
    """Saves a model that loops as often as its value says, and some that multiply by 1, 2, ...

    In a process of its own, to be rid of it.
    """
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    words = [*map(str, (loop, *folders))]
    written = fork_server().start(words, loop.parent, environment, code=_WRITE).wait(START_S)
    assert written.returncode == 0, written.stderr


def write_onnx_model(folder: Path) -> None:
    """Writes an ONNX file that multiplies by 2: its server starts without TensorFlow."""
    number = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Mul", ["x", "two"], ["y"])],
        "scale",
        [onnx.helper.make_tensor_value_info("x", number, [None, 1])],
        [onnx.helper.make_tensor_value_info("y", number, [None, 1])],
        [onnx.helper.make_tensor("two", number, [1], [2.0])],
    )
    opset = onnx.helper.make_opsetid("", 18)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    content = model.SerializeToString()
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    feature = raw_feature(column="x", kind="numeric", raw="float32", filler=0.0)
    Artifact(
        runtime="onnx",
        format="onnx_float32",
        file="model.onnx",
        sha256=digest(content),
        task="regression",
        classes=(),
        threshold=None,
        inputs=(TensorInput(feature="x", tensor="x", dtype="float32", width=1),),
        output="y",
        preparation=Preparation(features=(feature,)),
    ).write(folder)


def publish(model: Path, target: Path) -> None:
    """Puts a version where a server looks, in one step."""
    temporary = target.parent / f".tmp-{target.name}"
    shutil.copytree(model, temporary)
    temporary.rename(target)


class ServerProcess:
    """`kelp serve` with a config.

    Args:
      folder: Where it starts; has serving_models/.
      settings: The config, as configs/serving.yaml has it.
      options: Further options.
      kelp: The program; other than by default, it may be one that stands for it.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any] | None = None,
        *options: str,
        kelp: Sequence[str] = _KELP,
    ) -> None:
        (folder / "serving.yaml").write_text(json.dumps(settings or {}))
        command = [*kelp, "serve", "--port", "0"]
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--config", "serving.yaml", *options],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.hears(r"http://[^ ]*:(\d+)")[1])

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def hears(self, pattern: str) -> re.Match[str]:
        """Waits until it says something."""
        until = time.monotonic() + START_S
        while True:
            self.said.append(self._lines.get(timeout=max(0.01, until - time.monotonic())))
            found = re.search(pattern, self.said[-1])
            if found:
                return found

    def ready(self) -> ServerProcess:
        """Waits until every model has an available version."""
        eventually(lambda: self.get("/readyz")[0] == 200, START_S)
        return self

    def get(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """The status and the JSON of an answer; POST where there is a body."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            body,
            {k.replace("_", "-"): v for k, v in headers.items()},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _json(error.read())
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            return 0, str(error)

    def states(self, name: str) -> dict[str, str]:
        """The states of a model's versions."""
        status, answer = self.get(f"/v1/models/{name}")
        if status != 200:
            return {}
        return {one["version"]: one["state"] for one in answer["model_version_status"]}

    def raw(self, *parts: bytes, wait: float = 10.0, pause: float = 0.0) -> bytes:
        """What comes back for bytes, until the server closes or says nothing for a while."""
        with self.connect(wait) as connection:
            for part in parts:
                try:
                    connection.sendall(part)
                except ConnectionError:
                    break
                time.sleep(pause)
            return read_all(connection)

    def connect(self, wait: float = 10.0) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=wait)

    def log_events(self) -> list[str]:
        """What it logged."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line)["event"] for line in lines if line.startswith('{"time"')]

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to go, and gives the status it ended with."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


def start_server(folder: Path, settings: dict[str, Any], *options: str) -> ServerProcess:
    """Starts a server of one process in a folder, without its imports."""
    stand_in = str(fork_server().stand_in)
    return ServerProcess(folder, {"workers": 1, **settings}, *options, kelp=[stand_in])


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A request as it goes over the wire, its connection closed after it."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", *headers]
    if not any(one.lower().startswith("content-length") for one in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the other side closes, or is silent for too long."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except (ConnectionError, TimeoutError):
        pass
    return b"".join(parts)


def status_of(answer: bytes) -> int:
    """The status of an answer as it came over the wire; 0 where the connection was closed."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for something to become true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.05)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
