"""Where models are pushed to: a local serving root, or one in a bucket."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.pusher import push as local
from contracts.files import read_json
from contracts.storage.errors import MissingObject
from contracts.storage.folders import list_published, publish
from contracts.storage.location import Location, is_remote, join_place, parse_location
from contracts.storage.objects import read_bytes

# TensorFlow Serving loads a version once this file is there.
_GRAPH = "saved_model.pb"


def push_version(
    model_dir: Path,
    target: str,
    extra: Mapping[str, Path] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> str:
    """Copies `model_dir` to the next version in `target`, and gives where that is.

    As `components.pusher.push.push`. In a bucket, which renames nothing, a version is there
    once its marker is: the graph is copied after all other files, and the marker after it.
    One pusher at a time may push to one model there.

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
    place = parse_location(target)
    newest = _newest(place)
    if facts is not None and read_newest(target, local.FACTS_FILE) == facts:
        return str(place / str(newest))
    with tempfile.TemporaryDirectory(prefix="kelp-push-") as scratch:
        folder = Path(scratch) / "version"
        local.assemble(folder, model_dir, extra, facts)
        version = place / str(newest + 1)
        publish(folder, version, last=(_GRAPH,))
    return str(version)


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
