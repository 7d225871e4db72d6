"""Models that are only a text in a file, for all that does not need TensorFlow."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import KelpError
from serving.batching import BatchLimits
from serving.codec.signature import Signature
from serving.config import ServingSpec
from serving.errors import ServingError
from serving.versions.loading import Loading
from serving.versions.manager import ModelManager

BROKEN = "broken"


def write_version(root: Path, name: str, version: int, text: str = "good") -> Path:
    """A version's folder, whose files seem to have been there for a while."""
    folder = root / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_text(text)
    return folder


class FakeServable:
    """What a text in `saved_model.pb` says."""

    signatures: Mapping[str, Signature] = {}
    steady = ()
    metadata: Mapping[str, Any] = {"signature_def": {"signature_def": {}}}

    def __init__(self, path: Path) -> None:
        self.text = (path / "saved_model.pb").read_text()
        self.warmed = self.closed = False
        if self.text == BROKEN:
            raise KelpError("It is broken.", where=str(path))

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(inputs)

    def warm_up(self) -> int:
        self.warmed = True
        return 1

    def close(self) -> None:
        self.closed = True


class FakePredictor:
    """Answers with its version; the body says how."""

    on_request = None

    def __init__(
        self, name: str, version: int, servable: FakeServable, limits: BatchLimits
    ) -> None:
        self.name, self.version, self.servable = name, version, servable
        self.gate = asyncio.Event()
        self.drained = False

    async def predict(self, body: bytes, deadline_s: float | None = None) -> bytes:
        assert not self.servable.closed
        if body == b"wait":
            await self.gate.wait()
        if body == b"refuse":
            raise ServingError(400, "instances[3], input 'x': \ud800")
        if body == b"late":
            raise ServingError(504, "Deadline exceeded")
        if body == b"unmet":
            raise ServingError(412, "The tables are not there")
        if body == b"full":
            raise ServingError(503, "The queue is full")
        if body == b"crash":
            raise ZeroDivisionError("secret")
        return b'{"predictions": [%d]}' % self.version

    async def classify(self, body: bytes, deadline_s: float | None = None) -> bytes:
        return b'{"results": ["classify"]}'

    async def regress(self, body: bytes, deadline_s: float | None = None) -> bytes:
        return b'{"results": ["regress"]}'

    async def drain(self) -> None:
        self.drained = True


class World:
    """A manager over the folders of a test, with a clock that the test turns."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root / "serving_models"
        self.root.mkdir(parents=True, exist_ok=True)
        self.spec = ServingSpec(
            models_root=str(self.root),
            artifacts=str(root / "artifacts"),
            # No test waits for the watch: `look` does what it would do.
            poll_s=0.05,
            **settings,
        )
        self.loads: list[Loading] = []
        self.servables: dict[tuple[str, int], FakeServable] = {}
        self.limits: dict[str, BatchLimits] = {}
        self.manager = ModelManager(
            self.spec,
            load=FakeServable,
            predictor=self._predictor,  # type: ignore[arg-type]
            on_load=self.loads.append,
        )

    def _predictor(
        self, name: str, version: int, servable: FakeServable, limits: BatchLimits
    ) -> FakePredictor:
        self.servables[name, version] = servable
        self.limits[name] = limits
        return FakePredictor(name, version, servable, limits)

    def write(self, name: str, version: int, text: str = "good") -> Path:
        return write_version(self.root, name, version, text)

    def served(self, name: str) -> list[int]:
        return self.manager.available().get(name, [])

    async def until(self, name: str, versions: list[int]) -> None:
        await eventually(lambda: self.served(name) == versions)

    def states(self, name: str) -> dict[int, str]:
        try:
            return {one.version: one.state for one in self.manager.status(name)}
        except ServingError:
            return {}


async def eventually(condition: Any, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to be"
        await asyncio.sleep(0.01)


def age(folder: Path, seconds: float = 3600) -> None:
    """Makes a folder's files old, as far as that can be done."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - seconds,) * 2)


def run_world(world: World, act: Callable[[World], Awaitable[None]]) -> None:
    """Starts the manager, acts, and stops it."""

    async def whole() -> None:
        await world.manager.start()
        try:
            await act(world)
        finally:
            await world.manager.stop()

    asyncio.run(whole())
