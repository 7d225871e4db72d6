"""releases.json: which version of which model is stable, and what a canary gets."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from contracts.errors import EnvironmentProblem, KelpError
from contracts.files import save_text
from contracts.spec import Spec

RELEASES_FILE = "releases.json"
STABLE = "stable"
CANARY = "canary"
_LOOK_S = 0.25

_LOGGER = logging.getLogger(__name__)


class Release(Spec):
    """The versions of one model that take traffic.

    Attributes:
      stable: The version that is trusted.
      canary: The version on trial; None where there is none.
      canary_percent: The share of the requests that it gets.
      previous: The version that was stable before; what a rollback returns to.
      rejected: Versions that went back: none of them is tried again unless it is named.
    """

    stable: int = Field(ge=0)
    canary: int | None = Field(default=None, ge=0)
    canary_percent: float = Field(default=0, ge=0, le=100)
    previous: int | None = Field(default=None, ge=0)
    rejected: tuple[int, ...] = ()


_RELEASES = TypeAdapter(dict[str, Release])


def read_releases(path: Path) -> dict[str, Release]:
    """Reads the releases by model; none where there is no file.

    Raises:
      KelpError: the file cannot be read, or is no such JSON.
    """
    try:
        return _RELEASES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise EnvironmentProblem(
            f"{path.name} cannot be read.",
            where=str(path),
            expected='{"NAME": {"stable": 3, "canary": 4, "canary_percent": 10}}',
            received=str(error),
            fix="correct it, or remove it: then all traffic goes to the newest version",
        ) from error


def write_release(path: Path, name: str, release: Release) -> None:
    """Puts down the release of one model, in one step that no reader sees half of.

    Raises:
      KelpError: what is there now cannot be read, or the file not be written.
    """
    _save(path, {**read_releases(path), name: release})


def restore_release(path: Path, name: str, release: Release | None) -> None:
    """Puts the release of one model back; None leaves no trace of one.

    Raises:
      KelpError: what is there now cannot be read, or the file not be written.
    """
    if release is not None:
        write_release(path, name, release)
        return
    others = {key: one for key, one in read_releases(path).items() if key != name}
    if others:
        _save(path, others)
    else:
        path.unlink(missing_ok=True)


def _save(path: Path, releases: Mapping[str, Release]) -> None:
    content = {key: one.model_dump(exclude_none=True) for key, one in sorted(releases.items())}
    save_text(path, json.dumps(content, indent=2) + "\n")


class ReleaseWatcher:
    """The releases as they are now, from a file that may change at any time.

    Args:
      path: The file; None for no releases ever.
      clock: Seconds, from whenever.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked_s = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._releases: dict[str, Release] = {}

    def get(self, name: str) -> Release | None:
        """The release of a model; at most a quarter of a second old."""
        if self._path is not None and self._clock() - self._looked_s >= _LOOK_S:
            self._looked_s = self._clock()
            self._look(self._path)
        return self._releases.get(name)

    def _look(self, path: Path) -> None:
        try:
            stat = path.stat()
        except FileNotFoundError:
            self._stamp, self._releases = None, {}
            return
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._releases = read_releases(path)
        except KelpError as problem:
            # What was true before is a better guess than that there is no release.
            _LOGGER.warning("%s", problem)
