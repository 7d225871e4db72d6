"""One model: its versions, and how they come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from serving.errors import ServingError
from serving.versions.folders import Found, fingerprint, newest_change
from serving.versions.loading import Loader
from serving.versions.policy import choose
from serving.versions.slot import Lease, Slot, VersionStatus
from serving.versions.sources import Target

_REMEMBERED = 20


class Model:
    """Brings the loaded versions of one model to what is wanted.

    Attributes:
      labels: Names for versions.
      unsettled: Whether a version waits to be loaded.
      counts: Whether the server is not ready while no version is available.

    Args:
      name: The model's name.
      loader: Loads and unloads.
      settle_s: A folder that changed less long ago may still be being written.
    """

    def __init__(self, name: str, loader: Loader, settle_s: float) -> None:
        self.labels: Mapping[str, int] = {}
        self._name = name
        self._loader = loader
        self._settle_s = settle_s
        self._slots: dict[int, Slot] = {}
        self._latest: Slot | None = None
        self._unloading: set[asyncio.Task[None]] = set()
        self._last: Target | None = None
        self.unsettled = True
        self.counts = False

    @property
    def empty(self) -> bool:
        """Whether nothing of it is loaded or on its way."""
        return all(slot.state == "END" for slot in self._slots.values())

    def lookup(self, version: int | None, label: str | None) -> Lease:
        """Lends a version.

        Raises:
          ServingError: it is not available.
        """
        if label is not None:
            version = self.labelled(label)
        slot = self._latest if version is None else self._slots.get(version)
        if slot is not None and slot.state == "AVAILABLE" and slot.predictor is not None:
            return Lease(slot, slot.predictor)
        if self._latest is None and any(
            one.state in ("START", "LOADING") for one in self._slots.values()
        ):
            raise ServingError(503, f"Servable is being loaded: {self._name}")
        which = f"Latest({self._name})" if version is None else f"Specific({self._name}, {version})"
        raise ServingError(404, f"Servable not found for request: {which}")

    def labelled(self, label: str) -> int:
        """The version of a label.

        Raises:
          ServingError: there is no such label, or its version is not available.
        """
        version = self.labels.get(label)
        slot = self._slots.get(version) if version is not None else None
        if version is None or slot is None or slot.state != "AVAILABLE":
            raise ServingError(400, f"Unrecognized servable version label: {label}")
        return version

    def status(self) -> list[VersionStatus]:
        """The status of its versions, newest first."""
        return [self._slots[version].status for version in sorted(self._slots, reverse=True)]

    def available(self) -> list[int]:
        """The versions that are served, newest first."""
        return sorted(
            (one.version for one in self._slots.values() if one.state == "AVAILABLE"), reverse=True
        )

    def differs(self, target: Target) -> bool:
        """Whether anything may be left to do for a target: a cheap look."""
        waits = any(slot.failed or slot.state == "START" for slot in self._slots.values())
        return waits or self.unsettled or target != self._last

    async def reconcile(self, target: Target) -> None:
        """Loads what is wanted and is not there, then unloads what is not wanted."""
        found = target.found
        if found is None:
            return
        self.unsettled = False
        await self._retry(found)
        while True:
            failed = [version for version, slot in self._slots.items() if slot.failed]
            wanted = choose(target.policy, found, failed)
            served = self.available()
            missing = [one for one in wanted if one not in served]
            ready = [one for one in missing if await self._is_settled(found[one])]
            if not ready:
                break
            await self._loader.load(self._name, self._slots[ready[0]])
            self._choose_latest()
        self.unsettled = bool(missing)
        # A broken or unfinished version never costs a good one its place.
        if not missing and (wanted or not found):
            self._unload_all_but(wanted)
        self._forget(found)
        self._last = target

    async def close(self) -> None:
        """Unloads everything, each version after its requests."""
        self._unload_all_but([], tidy=False)
        await asyncio.gather(*self._unloading, return_exceptions=True)

    async def _retry(self, found: Mapping[int, Found]) -> None:
        """Gives versions that failed another chance where their files changed."""
        for version, slot in list(self._slots.items()):
            if not slot.failed:
                continue
            if version not in found:
                del self._slots[version]
            elif await asyncio.to_thread(fingerprint, found[version].path) != slot.files:
                self._slots[version] = Slot(version, found[version].path)

    async def _is_settled(self, one: Found) -> bool:
        slot = self._slots.get(one.version)
        if slot is None or slot.state == "END":
            slot = self._slots[one.version] = Slot(one.version, one.path)
        if slot.state != "START":
            return False
        files = await asyncio.to_thread(fingerprint, one.path)
        return not 0 <= time.time() - newest_change(files) < self._settle_s

    def _unload_all_but(self, wanted: list[int], *, tidy: bool = True) -> None:
        going = [
            slot
            for version, slot in self._slots.items()
            if version not in wanted and slot.state == "AVAILABLE"
        ]
        for slot in going:
            slot.state = "UNLOADING"
        self._choose_latest()
        for slot in going:
            task = asyncio.create_task(self._loader.unload(self._name, slot, tidy=tidy))
            self._unloading.add(task)
            task.add_done_callback(self._unloading.discard)

    def _choose_latest(self) -> None:
        served = self.available()
        self._latest = self._slots[served[0]] if served else None
        self.counts = self.counts or bool(served)

    def _forget(self, found: Mapping[int, Found]) -> None:
        """Drops what was never loaded and is gone, and the oldest of what was unloaded."""
        for version, slot in list(self._slots.items()):
            if slot.state == "START" and version not in found:
                del self._slots[version]
        ended = sorted(
            version
            for version, slot in self._slots.items()
            if slot.state == "END" and not slot.failed
        )
        for version in ended[:-_REMEMBERED]:
            del self._slots[version]
