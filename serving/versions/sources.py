"""What is to be served: every folder under the roots, or what models.config names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.config import PolicySpec, ServingSpec
from serving.errors import ServingProblem
from serving.release.config_file import CONFIG_FILE, ModelEntry, read_config
from serving.versions.folders import Found, artifacts_in, models_in, versions_in


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


class Sources:
    """Looks at what is to be served; one look blocks for a moment, so use a thread.

    Args:
      spec: The server's config.
    """

    def __init__(self, spec: ServingSpec) -> None:
        self._spec = spec
        named = spec.model_config_file
        self._file = Path(named) if named else Path(spec.models_root) / CONFIG_FILE
        self._is_all = named is not None
        self._stamp: tuple[int, int] | None = None
        self._entries: dict[str, ModelEntry] = {}
        self._names: dict[Path, tuple[str, ...]] = {}
        self.problem: ServingProblem | None = None

    def look(self) -> list[Target]:
        """What is to be served now, by name.

        A models.config that cannot be read counts as it was before; `problem` says so.

        Raises:
          ServingProblem: the file that the config names was never read yet.
        """
        self._read_file()
        if self._is_all:
            return [
                self._target(name, versions_in(Path(entry.base_path)))
                for name, entry in sorted(self._entries.items())
            ]
        artifacts, root = Path(self._spec.artifacts), Path(self._spec.models_root)
        found = self._seen(artifacts, artifacts_in(artifacts))
        found |= self._seen(
            root, {name: versions_in(base) for name, base in models_in(root).items()}
        )
        return [self._target(name, versions) for name, versions in sorted(found.items())]

    def required(self) -> frozenset[str]:
        """The models that the config names, but for those that it says are not required."""
        special = self._spec.models
        named = {name for name, one in special.items() if one.required}
        if self._is_all:
            named |= {name for name in self._entries if name not in special}
        return frozenset(named)

    def _seen(
        self, root: Path, found: Mapping[str, Mapping[int, Found] | None]
    ) -> dict[str, Mapping[int, Found] | None]:
        """A root that is not there now, but was, hides its models; it does not remove them."""
        if root.is_dir():
            self._names[root] = tuple(found)
            return dict(found)
        return dict.fromkeys(self._names.get(root, ()))

    def _target(self, name: str, found: Mapping[int, Found] | None) -> Target:
        entry, special = self._entries.get(name), self._spec.models.get(name)
        labels = {**(special.labels if special else {}), **(entry.labels if entry else {})}
        if entry is not None:
            policy = _policy(entry)
        else:
            policy = (special.policy if special else None) or self._spec.policy
        return Target(name, found, policy, labels)

    def _read_file(self) -> None:
        try:
            told = self._file.stat()
        except OSError:
            if not self._is_all:
                self._entries, self._stamp, self.problem = {}, None, None
                return
            told = None
        stamp = (told.st_mtime_ns, told.st_size) if told else None
        if stamp is not None and stamp == self._stamp:
            return
        try:
            self._entries = read_config(self._file)
            self.problem = None
        except ServingProblem as problem:
            if self._is_all and self._stamp is None and not self._entries:
                raise
            self.problem = problem
        self._stamp = stamp


def _policy(entry: ModelEntry) -> PolicySpec:
    if entry.every:
        return PolicySpec(kind="all")
    if entry.versions:
        return PolicySpec(kind="specific", versions=entry.versions)
    return PolicySpec(kind="latest", count=entry.latest)
