"""A server and the proxy on sockets of their own, over models that are a line of JSON.

The server is Kelp's own, or a stand-in that does as TensorFlow Serving's source says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import uvicorn

from contracts.errors import KelpError
from serving.batching import Predictor
from serving.codec.signature import Port, Signature
from serving.config import ServingSpec
from serving.errors import ServingError
from serving.http.app import App
from serving.proxy.app import create_proxy
from serving.release.config_file import CONFIG_FILE, ModelEntry, write_config
from serving.request_log.config import RequestLogSpec
from serving.request_log.log import RequestLog
from serving.server import settings
from serving.versions.manager import ModelManager
from tests.integration.serving.tf_serving import StandIn

EMBEDDED, TENSORFLOW_SERVING = SERVERS = ("embedded", "tensorflow-serving")

_PORT = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}}
_SIGNATURE = {"inputs": {"x": _PORT}, "outputs": {"p": _PORT}}


def write_version(root: Path, version: int, **behaviour: float) -> Path:
    """A version of the model `m`: p is between 0 and 1 as x is, or what else is said.

    Args:
      root: The models' root.
      version: The version.
      behaviour: `shift` raises p, `sleep_s` makes it slow, `error_share` of the calls fail,
        `broken` does not load.
    """
    folder = root / "m" / str(version)
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text(json.dumps(behaviour))
    return folder


class ToyServable:
    steady = ()
    signatures = {
        "serving_default": Signature(
            "serving_default",
            {"x": Port("x", "float32", (None,))},
            {"p": Port("p", "float32", (None,))},
        )
    }
    metadata = {"signature_def": {"signature_def": {"serving_default": _SIGNATURE}}}

    def __init__(self, path):
        self._does = json.loads((path / "saved_model.pb").read_text())
        self._draw = np.random.default_rng(0)
        if self._does.get("broken"):
            raise KelpError("It is broken.", where=str(path))

    def run(self, signature, inputs):
        time.sleep(self._does.get("sleep_s", 0))
        if self._draw.random() < self._does.get("error_share", 0):
            raise ServingError(500, "It fails")
        return {"p": np.clip(inputs["x"] + np.float32(self._does.get("shift", 0)), 0, 1)}

    def warm_up(self):
        return 0

    def close(self):
        pass


class Stack:
    """A server and a proxy before it, in a thread.

    Args:
      folder: Where the models are.
      load: Loads a version's folder.
      kind: Whose server it is.
      options: Of the stand-in.
      settings: Of Kelp's server and proxy.
    """

    def __init__(self, folder: Path, load=ToyServable, kind=EMBEDDED, options=None, **settings):
        self._load = load
        self.kind = kind
        self._options = options or {}
        self.tf_serving: StandIn | None = None
        self.root = folder / "serving_models"
        self.root.mkdir()
        self.spec = ServingSpec(
            models_root=str(self.root),
            artifacts=str(folder / "artifacts"),
            poll_s=0.1,
            **settings,
        )
        self._ports: list[int] = []
        self._ready = threading.Event()
        self._servers: list[uvicorn.Server] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self):
        if self.kind == TENSORFLOW_SERVING:
            self.tf_serving = StandIn(self.config, self._load, **self._options)
            await asyncio.to_thread(self.tf_serving.start)
            self._ports.append(self.tf_serving.port)
        else:
            await self._start_embedded()
        spec = self.spec.model_copy(update={"request_log": RequestLogSpec()})
        proxy = create_proxy(self.server, spec, self.root / "releases.json", seed=3)
        await self._start(proxy)
        self._ready.set()
        while not all(server.should_exit for server in self._servers):
            await asyncio.sleep(0.05)
        for server in self._servers:
            await server.shutdown()
        if self.tf_serving is not None:
            await asyncio.to_thread(self.tf_serving.stop)

    async def _start_embedded(self):
        log = RequestLog(self.spec.request_log) if self.spec.request_log.folder else None

        def predictor(*made):
            answers = Predictor(*made)
            answers.on_request = log.offer if log is not None else None
            return answers

        manager = ModelManager(self.spec, load=self._load, predictor=predictor)
        app = App(manager, self.spec, request_log=log, load_first=True)
        await self._start(app)

    async def _start(self, app):
        config = settings(app, self.spec)
        config.port = 0
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        self._servers.append(server)
        self._ports.append(server.servers[0].sockets[0].getsockname()[1])

    @property
    def config(self):
        """models.config, which TensorFlow Serving cannot do without."""
        return self.root / CONFIG_FILE

    @property
    def server(self):
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def proxy(self):
        return f"http://127.0.0.1:{self._ports[1]}"

    def __enter__(self):
        if self.kind == TENSORFLOW_SERVING and not self.config.exists():
            names = sorted(one.name for one in self.root.iterdir() if one.is_dir())
            write_config(self.config, [ModelEntry(one, str(self.root / one)) for one in names])
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_):
        for server in self._servers:
            server.should_exit = True
        self._thread.join(60)


@contextlib.contextmanager
def light_load(*urls: str, pause_s: float = 0.005):
    """Sends single rows to each URL, one after the other, and counts the answers by status."""
    statuses: Counter[int] = Counter()
    messages: Counter[str] = Counter()
    stop = threading.Event()

    def send(url, seed):
        draw = np.random.default_rng(seed)
        with httpx.Client(trust_env=False, timeout=30) as client:
            # A pause, without which clients take all of the machine.
            while not stop.wait(pause_s) and sum(statuses.values()) < 100_000:
                body = {"inputs": {"x": [float(draw.random())]}}
                answer = client.post(f"{url}/v1/models/m:predict", json=body)
                statuses[answer.status_code] += 1
                if answer.status_code != 200:
                    messages[answer.text] += 1

    threads = [threading.Thread(target=send, args=(url, seed)) for seed, url in enumerate(urls)]
    for thread in threads:
        thread.start()
    statuses.messages = messages  # type: ignore[attr-defined]
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
