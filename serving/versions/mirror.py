"""Models in a bucket: the versions that may be served are kept as local copies."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from contracts.errors import EnvironmentProblem, KelpError
from contracts.storage.folders import read_marker
from contracts.storage.location import is_remote, parse_location
from contracts.storage.objects import list_names
from contracts.storage.staging import local_place, stage
from serving.config import ServingSpec


class Mirror:
    """A root of models, `<root>/<model>/<version>/`, local or with a local copy.

    Attributes:
      folder: Where the models are on this machine.
      problem: Why the copy is not what the bucket has; None where it is.
    """

    def __init__(self, root: str, spec: ServingSpec) -> None:
        self.folder = local_place(root)
        self.problem: KelpError | None = None
        self._spec = spec
        self._root = parse_location(root) if is_remote(root) else None
        self._seen = False

    def refresh(self) -> None:
        """Copies versions that are new in the bucket, and removes those that are gone there.

        Raises:
          StorageProblem: The bucket cannot be read, and never was. Later, `problem` says so,
            and what was there before stays.
        """
        if self._root is None:
            return
        try:
            self._copy()
        except KelpError as problem:
            if not self._seen:
                raise
            self.problem = problem
        else:
            self._seen, self.problem = True, None

    def _copy(self) -> None:
        assert self._root is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in list_names(self._root):
            there = {int(one): one for one in list_names(self._root / name) if one.isdecimal()}
            have = self.folder / name
            here = {int(path.name) for path in have.glob("*/") if path.name.isdecimal()}
            # A folder that was removed may leave a mark of itself: its marker is what counts.
            published = {
                version
                for version in (self._wanted(there) | here) & there.keys()
                if read_marker(self._root / name / there[version]) is not None
            }
            for version in sorted(here - published):
                shutil.rmtree(have / str(version), ignore_errors=True)
            for version in sorted(published - here):
                stage(str(self._root / name / there[version]))

    def _wanted(self, versions: Iterable[int]) -> set[int]:
        """What a policy or a label may ask for, and one more should the newest not load."""
        spec, known = self._spec, set(versions)
        policies = [one.policy for one in spec.models.values() if one.policy]
        policies.append(spec.policy)
        if any(policy.kind == "all" for policy in policies):
            return known
        most = max((policy.count for policy in policies if policy.kind == "latest"), default=0)
        named = {number for policy in policies for number in policy.versions}
        named |= {number for one in spec.models.values() for number in one.labels.values()}
        return set(sorted(known)[-most - 1 :]) | (named & known)


def require_local(root: str, command: str) -> Path:
    """Gives a local root of models.

    Raises:
      EnvironmentProblem: It is in a bucket, where a release cannot keep its state.
    """
    if not is_remote(root):
        return Path(root)
    raise EnvironmentProblem(
        f"{command} needs a local root of models.",
        where=f"key models_root: {root}",
        expected="a folder: its state is replaced in one step, which a bucket cannot do",
        fix=f"copy the models to a folder, and use `{command} --models-root FOLDER`",
    )
