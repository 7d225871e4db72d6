"""Where models are pushed to: a local serving root, or one in a bucket."""

from __future__ import annotations

import json
import random
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.pusher import push as local
from contracts.errors import EnvironmentProblem
from contracts.files import read_json
from contracts.storage.errors import MissingObject
from contracts.storage.folders import list_published, publish
from contracts.storage.location import Location, is_remote, join_place, parse_location
from contracts.storage.objects import list_files, read_bytes, remove_file, write_bytes

# TensorFlow Serving loads a version once this file is there.
_GRAPH = "saved_model.pb"
_CLAIMS = ".claims"
_STALE_S = 3600
_ATTEMPTS = 30
_TRIES_A_NUMBER = 3
_PAUSE_S = 0.5


def push_version(
    model_dir: Path,
    target: str,
    extra: Mapping[str, Path] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> str:
    """Copies `model_dir` to the next version in `target`, and gives where that is.

    As `components.pusher.push.push`. In a bucket, which renames nothing, a version is there
    once its marker is: the graph is copied after all other files, and the marker after it.

    Args:
      model_dir: A SavedModel, or a folder of files for devices.
      target: `<root>/<name>`, local or in a bucket.
      extra: Files for `assets.extra/`, by their names there.
      facts: What tells the model from others.

    Raises:
      EnvironmentProblem: the place cannot be written.
    """
    if not is_remote(target):
        return str(local.push(model_dir, Path(target), extra, facts))
    if facts is not None and read_newest(target, local.FACTS_FILE) == facts:
        return newest_version(target)
    place = parse_location(target)
    with tempfile.TemporaryDirectory(prefix="kelp-push-") as scratch:
        folder = Path(scratch) / "version"
        local.assemble(folder, model_dir, extra, facts)
        with _next_version(place) as number:
            version = place / str(number)
            publish(folder, version, last=(_GRAPH,))
    return str(version)


@contextmanager
def _next_version(place: Location) -> Iterator[int]:
    """Claims the next version, which no other pusher gets meanwhile.

    Who writes a claim and then sees no other one has the version: of two pushers, the one
    that writes later sees both, and gives way. A pusher that was killed leaves its claim, and
    costs the version's number.
    """
    for attempt in range(_ATTEMPTS):
        version = _newest(place) + 1 + attempt // _TRIES_A_NUMBER
        claim = place / _CLAIMS / str(version) / uuid.uuid4().hex
        write_bytes(claim, b"")
        try:
            if _is_alone(claim) and _newest(place) < version:
                yield version
                return
        finally:
            remove_file(claim)
        time.sleep(_PAUSE_S * random.random())
    raise EnvironmentProblem(
        "Other pushes to the same model are under way.",
        where=str(place),
        expected="few pushes at a time",
        received=f"{_ATTEMPTS} attempts to get a version's number",
        fix="wait for them to end, then run again: only the push is left to do",
    )


def _is_alone(claim: Location) -> bool:
    """Whether no other claim is there, those of killed pushers left out."""
    above = Location(claim.scheme, claim.bucket, claim.key.rpartition("/")[0])
    claims = {file.location: file.modified_ns for file in list_files(above)}
    own = claims.get(claim, 0)
    young = [one for one, written in claims.items() if own - written < _STALE_S * 10**9]
    return young == [claim]


def newest_version(target: str) -> str:
    """Gives where the newest version in `<root>/<name>` is, or would be before the first."""
    if is_remote(target):
        return join_place(target, str(_newest(parse_location(target))))
    return str(Path(target) / str((local.versions(Path(target)) or [0])[-1]))


def read_newest(target: str, file: str) -> Any:
    """Gives the content of a JSON file of the newest version; None where there is none."""
    newest = newest_version(target)
    if not is_remote(target):
        path = Path(newest) / file
        return read_json(path) if path.is_file() else None
    try:
        return json.loads(read_bytes(parse_location(newest) / file))
    except MissingObject:
        return None


def _newest(place: Location) -> int:
    return max((int(name) for name in list_published(place) if name.isdecimal()), default=0)
