"""Moves the traffic of one model from version to version, and fails no request by it.

The order is what keeps every request answered: a version is available before a label names
it, a label names it before traffic goes there, and traffic is gone before it is unloaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.errors import EnvironmentProblem
from serving.release.config import ReleaseSpec
from serving.release.config_file import CONFIG_FILE, ModelEntry, read_config, update_entry
from serving.release.server_view import AVAILABLE, ServerView, VersionState
from serving.release.state import (
    CANARY,
    RELEASES_FILE,
    STABLE,
    Release,
    read_releases,
    write_release,
)
from serving.versions.folders import versions_in

_LOOK_S = 0.2
# Answers in a row, each over a connection of its own, before all workers count as asked.
_CONFIRMATIONS = 5
_HURRIED_S = 10.0


class BrokenVersion(EnvironmentProblem):
    """A version that the server cannot load."""


@dataclass(frozen=True)
class Place:
    """Where a model is served from.

    Attributes:
      name: The model.
      models_root: The folder with the models' folders.
      config_file: models.config; None takes the one under `models_root`.
    """

    name: str
    models_root: Path
    config_file: Path | None = None

    @property
    def config(self) -> Path:
        """models.config."""
        return self.config_file or self.models_root / CONFIG_FILE

    @property
    def releases(self) -> Path:
        """releases.json."""
        return self.models_root / RELEASES_FILE

    def versions(self) -> list[int]:
        """The versions in the model's folder, oldest first.

        Raises:
          KelpError: there are none.
        """
        folder = self.models_root / self.name
        versions = sorted(versions_in(folder) or ())
        if not versions:
            raise EnvironmentProblem(
                f"There is no model {self.name!r}.",
                where=str(folder),
                expected="folders named by version, as `kelp run` pushes them",
                received="no folder" if not folder.is_dir() else "none",
                fix="correct the name, or name its root with --models-root",
            )
        return versions


class Traffic:
    """The versions, labels and traffic of one model.

    Args:
      place: Where the model is served from.
      view: What the server and the proxy say.
      spec: How long they may take.
      tell: Called at every step.
    """

    def __init__(
        self, place: Place, view: ServerView, spec: ReleaseSpec, tell: Callable[[str], None]
    ) -> None:
        self.place = place
        self.view = view
        self.tell = tell
        self._spec = spec

    def release(self) -> Release | None:
        """The release as it is put down now."""
        return read_releases(self.place.releases).get(self.place.name)

    def entry(self) -> ModelEntry:
        """The model as models.config has it, or would have it."""
        entries = read_config(self.place.config) if self.place.config.is_file() else {}
        name = self.place.name
        if name in entries:
            return entries[name]
        # Beside its neighbours, who may be elsewhere in the server's own file system.
        roots = {Path(one.base_path).parent for one in entries.values()}
        root = roots.pop() if len(roots) == 1 else self.place.models_root.resolve()
        return ModelEntry(name, str(root / name))

    def trusted(self) -> int | None:
        """The version that is stable, as a release or the label says; None for none."""
        release = self.release()
        return release.stable if release else self.view.labelled(self.place.name, STABLE)

    def current(self) -> int | None:
        """The version that traffic goes to now, as far as anyone says."""
        trusted = self.trusted()
        if trusted is not None:
            return trusted
        states = self.view.states(self.place.name).items()
        return max((one for one, known in states if known.state == AVAILABLE), default=None)

    def load(self, versions: Sequence[int], needed: Sequence[int]) -> None:
        """Has versions served, under the labels that there are, and waits for them.

        Args:
          versions: All that are to be served from now on.
          needed: Those that are waited for.

        Raises:
          BrokenVersion: one that is needed cannot be loaded.
          KelpError: one that is needed does not become available in time.
        """
        entry = self.entry()
        states = self.view.states(self.place.name)
        # A server that is restarted now must find no label for what it has not loaded.
        unloaded = [one for one, known in states.items() if known.state != AVAILABLE]
        labels = {
            label: version
            for label, version in entry.labels.items()
            if version in versions and version not in unloaded
        }
        failed = {one for one, known in states.items() if _is_broken(known)}
        sound = [one for one in versions if one not in failed]
        if sound and failed & set(needed):
            # TensorFlow Serving tries a broken version again only once it was not asked for; of
            # that its status says nothing.
            self._serve(entry, sound, labels)
            time.sleep(2 * self._spec.settle_s)
        self._serve(entry, versions, labels)
        self._wait_available(needed, failed)

    def label(self, labels: Mapping[str, int]) -> None:
        """Gives labels to versions that are available, and waits until all requests see them.

        Raises:
          KelpError: the server does not take them.
        """
        entry = self.entry()
        self._serve(entry, entry.versions, {**entry.labels, **labels})
        for label, version in labels.items():
            self._wait(
                lambda label=label, version=version: (  # type: ignore[misc]
                    self.view.labelled(self.place.name, label) == version
                ),
                f"the label {label} for version {version}",
            )

    def send(self, release: Release) -> None:
        """Splits the traffic anew, and waits until the proxy does.

        Raises:
          KelpError: it does not, or releases.json cannot be written.
        """
        write_release(self.place.releases, self.place.name, release)
        if self.view.proxy is None:
            self.settle()
            return
        self._wait(lambda: self.view.follows(self.place.name, release), "the proxy to follow")

    def keep(self, version: int) -> None:
        """Serves one version only, as `stable`, and no canary.

        Raises:
          KelpError: models.config cannot be replaced.
        """
        entry = self.entry()
        others = {key: one for key, one in entry.labels.items() if key not in (STABLE, CANARY)}
        kept = {key: one for key, one in others.items() if one == version}
        self._serve(entry, [version], {**kept, STABLE: version})

    def settle(self) -> None:
        """Gives a change that nobody confirms the time to reach everyone."""
        time.sleep(self._spec.settle_s)

    def hurried(self) -> Traffic:
        """The same, with little patience: for when something has failed already."""
        short = min(self._spec.available_s, _HURRIED_S)
        return Traffic(
            self.place, self.view, self._spec.model_copy(update={"available_s": short}), self.tell
        )

    def wait_alone(self, version: int) -> None:
        """Waits until no other version takes requests.

        Raises:
          KelpError: another still does.
        """

        def alone() -> bool:
            states = self.view.states(self.place.name)
            return {one for one, known in states.items() if known.state == AVAILABLE} <= {version}

        self._wait(alone, f"version {version} to be the only one")

    def wait_gone(self, version: int) -> None:
        """Waits until a version takes no request any more.

        Raises:
          KelpError: it still does.
        """
        nothing = VersionState()
        self._wait(
            lambda: self.view.states(self.place.name).get(version, nothing).state != AVAILABLE,
            f"version {version} to go",
        )

    def _serve(self, entry: ModelEntry, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        changed = replace(
            entry, versions=tuple(versions), every=False, labels=dict(sorted(labels.items()))
        )
        update_entry(self.place.config, changed)

    def _wait_available(self, versions: Sequence[int], failed: Collection[int]) -> None:
        """Waits for versions; errors of `failed` may be those of an earlier attempt."""
        began = time.monotonic()
        old = set(failed)

        def ready() -> bool:
            states = self.view.states(self.place.name)
            if time.monotonic() - began >= self._spec.recheck_s:
                old.clear()
            known = {one: states.get(one, VersionState()) for one in versions}
            for version, state in known.items():
                if not _is_broken(state):
                    old.discard(version)
                elif version not in old:
                    raise BrokenVersion(
                        f"Version {version} cannot be loaded.",
                        where=f"{self.view.server}, model {self.place.name}",
                        expected=AVAILABLE,
                        received=state.error,
                    )
            return all(state.state == AVAILABLE for state in known.values())

        self._wait(ready, f"versions {', '.join(map(str, versions))} to be {AVAILABLE}")

    def _wait(self, is_done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + self._spec.available_s
        in_a_row = 0
        while in_a_row < _CONFIRMATIONS:
            if is_done():
                in_a_row += 1
                continue
            in_a_row = 0
            if time.monotonic() >= end:
                raise EnvironmentProblem(
                    f"It took too long to wait for {what}.",
                    where=f"{self.view.server}, model {self.place.name}",
                    expected=f"at most {self._spec.available_s:g} s",
                    fix="see what the server logs; it must read the models.config "
                    f"{self.place.config}, which TensorFlow Serving does again and again only "
                    "with --model_config_file_poll_wait_seconds=1",
                )
            time.sleep(_LOOK_S)


def _is_broken(known: VersionState) -> bool:
    return known.state == "END" and bool(known.error)
