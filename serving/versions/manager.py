"""Keeps the right versions loaded, and lends them to requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving.batching import BatchLimits, Predictor
from serving.config import ServingSpec
from serving.errors import ServingError
from serving.release.config_file import ModelEntry
from serving.servable import Servable, load_servable
from serving.versions.loading import Loader, Loading
from serving.versions.model import Model
from serving.versions.slot import Lease, VersionStatus
from serving.versions.sources import Sources, Target

_LOADERS = 2
_SETTLE_S = 1.0
_PATIENCE = 5

logger = logging.getLogger(__name__)

PredictorFactory = Callable[[str, int, Servable, BatchLimits], Predictor]


class ModelManager:
    """Watches the folders of models; loads, lends and unloads their versions.

    All but `look` and the loading itself happens on the event loop: counts need no lock.

    Args:
      spec: The server's config.
      load: Loads a version's folder; runs in a worker thread.
      predictor: Puts a queue before what was loaded.
      on_load: Called after every attempt to load.
      shared: The file by which workers share a config that came by call.
    """

    def __init__(
        self,
        spec: ServingSpec,
        load: Callable[[Path], Servable] = load_servable,
        predictor: PredictorFactory = Predictor,
        on_load: Callable[[Loading], None] | None = None,
        shared: Path | None = None,
    ) -> None:
        self._spec = spec
        self._sources = Sources(spec, shared)
        self._reloading = asyncio.Lock()
        self._polling = asyncio.Lock()
        self._executor = ThreadPoolExecutor(_LOADERS, thread_name_prefix="kelp-load")
        self._loader = Loader(self._executor, load, _factory(spec, predictor), on_load)
        self._models: dict[str, Model] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watching: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self._first: set[str] = set()
        self._draining = False
        self._problem = ""

    async def start(self) -> None:
        """Takes a first look and begins to load; `settled` tells when that is done.

        Raises:
          EnvironmentProblem: the models.config that the config names cannot be read.
        """
        await self._poll()
        self._first = set(self._models)
        self._watching = asyncio.create_task(self._watch(), name="kelp-watch")

    async def settled(self) -> None:
        """Returns once no version is being loaded, or waits until its files come to rest.

        Files that do not come to rest are not waited for beyond a few looks.
        """
        await self._looked.wait()
        patience = _PATIENCE
        while self._tasks or (patience and any(one.unsettled for one in self._models.values())):
            if self._tasks:
                await asyncio.wait(list(self._tasks.values()))
            else:
                patience -= 1
                await asyncio.sleep(min(self._spec.poll_s, _SETTLE_S))

    async def reload(self, entries: Mapping[str, ModelEntry]) -> None:
        """Serves just these models, and returns once the new ones of them are there.

        It holds until models.config changes; other workers follow with their next look.

        Args:
          entries: The models by name.

        Raises:
          ServingError: a label would move to a version that is not available, or a new model
            cannot be loaded; what was served before still is.
        """
        async with self._reloading:
            self._check_labels(entries)
            new = [name for name in entries if not self.available().get(name)]
            before = await asyncio.to_thread(self._sources.pinned)
            await asyncio.to_thread(self._sources.pin, entries)
            await self._poll()
            await self.settled()
            lacking = [name for name in new if not self.available().get(name)]
            if lacking:
                reasons = "; ".join(f"{name}: {self._reason(name)}" for name in lacking)
                await asyncio.to_thread(self._sources.restore, before)
                await self._poll()
                raise ServingError(
                    500, f"{len(lacking)} model(s) did not become available: {reasons}"
                )

    def lookup(self, name: str, version: int | None = None, label: str | None = None) -> Lease:
        """Lends the version that a request names; the newest where it names none.

        Raises:
          ServingError: there is none such that is available.
        """
        model = self._models.get(name)
        if model is None:
            if label is not None:
                raise _unknown_label(label)
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(404, f"Servable not found for request: {which}")
        return model.lookup(version, label)

    def status(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> list[VersionStatus]:
        """The status of a model's versions, newest first.

        Raises:
          ServingError: there is no such model, version or label.
        """
        model = self._models.get(name)
        if label is not None:
            if model is None:
                raise _unknown_label(label)
            version = model.labelled(label)
        statuses = model.status() if model is not None else []
        if version is not None:
            statuses = [one for one in statuses if one.version == version]
            if not statuses:
                raise ServingError(404, f"Could not find version {version} of model {name}")
        if not statuses:
            raise ServingError(404, f"Could not find any versions of model {name}")
        return statuses

    def knows(self, name: str) -> bool:
        """Whether there is such a model, available or not."""
        return name in self._models

    def available(self) -> dict[str, list[int]]:
        """The versions that are served of each model, newest first."""
        return {name: model.available() for name, model in self._models.items()}

    def ready(self) -> bool:
        """Whether what was available still is, with what is required, and no end in sight.

        A newcomer that cannot be loaded takes nobody's place. What the server found when it
        started is waited for until it was tried to load it.
        """
        if self._draining:
            return False
        available = self.available()
        wanted = {name for name, model in self._models.items() if model.counts}
        wanted |= self._sources.required() | self._first
        return any(available.values()) and all(available.get(name) for name in wanted)

    def drain(self) -> None:
        """Is not ready any more; requests are still answered."""
        self._draining = True

    async def stop(self) -> None:
        """Lets requests in flight finish, then lets go of everything."""
        self._draining = True
        tasks = [task for task in (self._watching, *self._tasks.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(model.close() for model in self._models.values()))
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _check_labels(self, entries: Mapping[str, ModelEntry]) -> None:
        for name, entry in entries.items():
            model = self._models.get(name)
            if model is None:
                continue
            for label, version in entry.labels.items():
                if model.labels.get(label, version) != version and version not in model.available():
                    raise ServingError(
                        412,
                        f"Request to assign label to version {version} of model {name}, "
                        "which is not currently available for inference",
                    )

    def _reason(self, name: str) -> str:
        try:
            return next((one.message for one in self.status(name) if one.message), "is loading")
        except ServingError as error:
            return error.message

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._spec.poll_s)
            try:
                await self._poll()
            except Exception:
                # The watch outlives whatever one look met, and looks again.
                logger.exception("poll_failed")

    async def _poll(self) -> None:
        # A look that began before a reload must not be applied after it.
        async with self._polling:
            targets = await asyncio.to_thread(self._sources.look)
            self._tell_problem()
            settle_s = min(self._spec.poll_s, _SETTLE_S)
            for target in targets:
                if target.name not in self._models:
                    self._models[target.name] = Model(target.name, self._loader, settle_s)
                self._begin(target)
            for name in set(self._models) - {target.name for target in targets}:
                if self._models[name].empty and name not in self._tasks:
                    del self._models[name]
                    self._first.discard(name)
                else:
                    self._models[name].counts = False
                    self._begin(Target(name, {}, self._spec.policy))
            self._looked.set()

    def _begin(self, target: Target) -> None:
        """Brings one model to its target; one at a time, the next look sees to the rest."""
        model = self._models[target.name]
        model.labels = target.labels
        if target.name in self._tasks or not model.differs(target):
            return
        task = asyncio.create_task(model.reconcile(target), name=f"kelp-load-{target.name}")
        self._tasks[target.name] = task
        task.add_done_callback(lambda done: self._done(target.name, done))

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(name, None)
        if name not in self._models or not self._models[name].unsettled:
            self._first.discard(name)
        if not task.cancelled() and task.exception() is not None:
            logger.error("reconcile_failed", exc_info=task.exception())

    def _tell_problem(self) -> None:
        problem = str(self._sources.problem or "")
        if problem and problem != self._problem:
            logger.warning("model_config_unreadable", extra={"error": problem})
        self._problem = problem


def _factory(
    spec: ServingSpec, predictor: PredictorFactory
) -> Callable[[str, int, Servable], Predictor]:
    def make(name: str, version: int, servable: Servable) -> Predictor:
        batching = spec.batching_of(name)
        limits = BatchLimits(
            queue=batching.queue,
            rows=batching.rows,
            request_rows=spec.limits.rows,
            inline_rows=batching.inline_rows,
            inline_s=batching.inline_ms / 1000,
            depth=spec.limits.depth,
        )
        return predictor(name, version, servable, limits)

    return make


def _unknown_label(label: str) -> ServingError:
    return ServingError(400, f"Unrecognized servable version label: {label}")
