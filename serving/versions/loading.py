"""Loads and warms a version in a worker thread, while others go on answering."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import KelpError, ModelError
from serving.batching import Predictor
from serving.errors import ServingError
from serving.http.metrics import CODES
from serving.servable import Servable
from serving.versions.folders import fingerprint
from serving.versions.slot import OK, Slot

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loading:
    """One attempt to load a version.

    Attributes:
      name: The model.
      version: The version.
      path: Its folder.
      code: "OK", or the name of the error.
      load_s: Seconds that loading took.
      warm_s: Seconds that warming took.
      requests: Requests that it was warmed with.
      error: What went wrong.
    """

    name: str
    version: int
    path: Path
    code: str = OK
    load_s: float = 0.0
    warm_s: float = 0.0
    requests: int = 0
    error: str = ""


class Loader:
    """Turns folders into predictors and back.

    Args:
      executor: The threads to load in.
      load: Loads a folder.
      predictor: Puts a queue before what was loaded.
      on_load: Called after every attempt.
    """

    def __init__(
        self,
        executor: Executor,
        load: Callable[[Path], Servable],
        predictor: Callable[[str, int, Servable], Predictor],
        on_load: Callable[[Loading], None] | None,
    ) -> None:
        self._executor = executor
        self._load = load
        self._predictor = predictor
        self._on_load = on_load

    async def load(self, name: str, slot: Slot) -> None:
        """Makes a slot available, or puts down in it why that cannot be."""
        slot.state = "LOADING"
        loop = asyncio.get_running_loop()
        slot.files = await loop.run_in_executor(self._executor, fingerprint, slot.path)
        servable, loading = await loop.run_in_executor(self._executor, self._warmed, name, slot)
        if servable is None:
            slot.fail(loading.code, loading.error)
            logger.error("load_failed", extra=_fields(loading))
        else:
            slot.predictor = self._predictor(name, slot.version, servable)
            slot.state = "AVAILABLE"
            logger.info("available", extra=_fields(loading))
        if self._on_load is not None:
            self._on_load(loading)

    async def unload(self, name: str, slot: Slot, *, tidy: bool = True) -> None:
        """Lets go of a slot once its requests are done; it must be UNLOADING.

        Args:
          name: The model.
          slot: Its version.
          tidy: Gives its memory back: not worth while for a process that ends.
        """
        await slot.idle()
        predictor, slot.predictor = slot.predictor, None
        if predictor is not None:
            await predictor.drain()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, _close, predictor.servable, tidy)
        slot.state = "END"
        logger.info("unloaded", extra={"model": name, "version": slot.version})

    def _warmed(self, name: str, slot: Slot) -> tuple[Servable | None, Loading]:
        started = time.perf_counter()
        path, version = slot.path, slot.version
        try:
            servable = self._load(path)
            loaded = time.perf_counter()
            requests = servable.warm_up()
            done = time.perf_counter()
            if fingerprint(path) != slot.files:
                servable.close()
                raise ModelError("The files changed while they were loaded.", where=str(path))
        except Exception as error:  # noqa: BLE001 - whatever a broken folder causes is its status
            code, message = _code(error), str(error) or type(error).__name__
            return None, Loading(name, version, path, code, error=message)
        # What was loaded stays: the collector need not look at it again and again.
        gc.freeze()
        loading = Loading(name, version, path, OK, loaded - started, done - loaded, requests)
        return servable, loading


def _close(servable: Servable, tidy: bool) -> None:
    servable.close()
    if tidy:
        # Frozen objects in cycles, as a model's are, would stay for ever.
        gc.unfreeze()
        gc.collect()
        gc.freeze()


def _code(error: Exception) -> str:
    """TensorFlow's name for an error."""
    if isinstance(error, FileNotFoundError):
        return "NOT_FOUND"
    if isinstance(error, PermissionError):
        return "PERMISSION_DENIED"
    if isinstance(error, MemoryError):
        return "RESOURCE_EXHAUSTED"
    if isinstance(error.__cause__, ServingError):
        return CODES.get(error.__cause__.status, "UNKNOWN")
    is_reported = isinstance(error, KelpError) and not isinstance(error, ServingError)
    return "INVALID_ARGUMENT" if is_reported else "INTERNAL"


def _fields(loading: Loading) -> dict[str, object]:
    fields: dict[str, object] = {"model": loading.name, "version": loading.version}
    if loading.code != OK:
        return {**fields, "code": loading.code, "error": loading.error}
    seconds = {"load_s": round(loading.load_s, 3), "warm_s": round(loading.warm_s, 3)}
    return {**fields, **seconds, "requests": loading.requests}
