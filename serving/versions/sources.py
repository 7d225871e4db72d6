"""What is to be served: every folder under the roots, or what models.config names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from contracts.errors import KelpError
from contracts.files import write_atomically
from serving.config import PolicySpec, ServingSpec
from serving.release.config_file import CONFIG_FILE, ModelEntry, read_config
from serving.versions.folders import Found, artifacts_in, models_in, versions_in
from serving.versions.mirror import Mirror


@dataclass(frozen=True)
class Target:
    """What is to be served of one model.

    Attributes:
      name: The model's name.
      found: Its versions; None where its folder cannot be seen now.
      policy: Which of them are to be served.
      labels: Names for versions.
    """

    name: str
    found: Mapping[int, Found] | None
    policy: PolicySpec
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Pinned:
    """What is to be served because a call said so, until models.config changes.

    Attributes:
      entries: The models.
      stamp: Time and size of models.config when the call came; None where there was no file.
    """

    entries: Mapping[str, ModelEntry]
    stamp: tuple[int, int] | None


class Sources:
    """Looks at what is to be served; one look blocks for a moment, so use a thread.

    Args:
      spec: The server's config.
      shared: The file by which workers share what a call said; None where there is one worker.
    """

    def __init__(self, spec: ServingSpec, shared: Path | None = None) -> None:
        self._spec = spec
        self._shared = shared
        self._pinned: Pinned | None = None
        self._root = Mirror(spec.models_root, spec)
        self._artifacts = Mirror(spec.artifacts, spec)
        named = spec.model_config_file
        self._file = Path(named) if named else self._root.folder / CONFIG_FILE
        self._is_all = named is not None
        self._stamp: tuple[int, int] | None = None
        self._entries: dict[str, ModelEntry] = {}
        self._names: dict[Path, tuple[str, ...]] = {}
        self.problem: KelpError | None = None
        self._file_problem: KelpError | None = None

    def look(self) -> list[Target]:
        """What is to be served now, by name.

        A models.config or a bucket that cannot be read counts as it was before; `problem` says
        so.

        Raises:
          KelpError: the file that the config names, or the bucket, was never read yet.
        """
        self._read_file()
        self.problem = self._file_problem
        pinned = self.pinned()
        entries = self._entries if pinned is None else pinned.entries
        if self._is_all or pinned is not None:
            return [
                self._target(name, versions_in(Path(entry.base_path)), entry)
                for name, entry in sorted(entries.items())
            ]
        for mirror in (self._artifacts, self._root):
            mirror.refresh()
            self.problem = self.problem or mirror.problem
        artifacts, root = self._artifacts.folder, self._root.folder
        found = self._seen(artifacts, artifacts_in(artifacts))
        found |= self._seen(
            root, {name: versions_in(base) for name, base in models_in(root).items()}
        )
        return [
            self._target(name, versions, entries.get(name))
            for name, versions in sorted(found.items())
        ]

    def pin(self, entries: Mapping[str, ModelEntry]) -> None:
        """Serves just these models, until models.config changes.

        Args:
          entries: The models by name.
        """
        self.restore(Pinned(dict(entries), self._stamp))

    def pinned(self) -> Pinned | None:
        """What a call said, while it holds."""
        if self._shared is not None:
            self._pinned = _read_pinned(self._shared)
        return self._holding()

    def restore(self, pinned: Pinned | None) -> None:
        """Puts back what a call said before; None for nothing."""
        self._pinned = pinned
        if self._shared is None:
            return
        if pinned is None:
            self._shared.unlink(missing_ok=True)
        else:
            write_atomically(self._shared, json.dumps(asdict(pinned)))

    def required(self) -> frozenset[str]:
        """The models that the config names, but for those that it says are not required.

        A call that names models waits for them by itself, and may leave out what the config names.
        """
        if self._holding() is not None:
            return frozenset()
        special = self._spec.models
        named = {name for name, one in special.items() if one.required}
        if self._is_all:
            named |= {name for name in self._entries if name not in special}
        return frozenset(named)

    def _holding(self) -> Pinned | None:
        pinned = self._pinned
        return pinned if pinned is not None and pinned.stamp == self._stamp else None

    def _seen(
        self, root: Path, found: Mapping[str, Mapping[int, Found] | None]
    ) -> dict[str, Mapping[int, Found] | None]:
        """A root that is not there now, but was, hides its models; it does not remove them."""
        if root.is_dir():
            self._names[root] = tuple(found)
            return dict(found)
        return dict.fromkeys(self._names.get(root, ()))

    def _target(
        self, name: str, found: Mapping[int, Found] | None, entry: ModelEntry | None
    ) -> Target:
        special = self._spec.models.get(name)
        labels = {**(special.labels if special else {}), **(entry.labels if entry else {})}
        if entry is not None:
            policy = _policy(entry)
        else:
            policy = (special.policy if special else None) or self._spec.policy
        return Target(name, found, policy, labels)

    def _read_file(self) -> None:
        try:
            stat = self._file.stat()
        except OSError:
            if not self._is_all:
                self._entries, self._stamp, self._file_problem = {}, None, None
                return
            stat = None
        stamp = (stat.st_mtime_ns, stat.st_size) if stat else None
        if stamp is not None and stamp == self._stamp:
            return
        try:
            self._entries = read_config(self._file)
            self._file_problem = None
        except KelpError as problem:
            if self._is_all and self._stamp is None and not self._entries:
                raise
            self._file_problem = problem
        self._stamp = stamp


def _read_pinned(path: Path) -> Pinned | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    stamp = tuple(content["stamp"]) if content["stamp"] is not None else None
    entries = {
        name: ModelEntry(**{**entry, "versions": tuple(entry["versions"])})
        for name, entry in content["entries"].items()
    }
    return Pinned(entries, stamp)


def _policy(entry: ModelEntry) -> PolicySpec:
    if entry.every:
        return PolicySpec(kind="all")
    if entry.versions:
        return PolicySpec(kind="specific", versions=entry.versions)
    return PolicySpec(kind="latest", count=entry.latest)
