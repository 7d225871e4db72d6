"""Local copies of what is in a bucket: TensorFlow and Beam work on files.

Each address has one local place, below `$KELP_STAGING` or `~/.cache/kelp/staging`:
`s3://bucket/key` is `<there>/s3/bucket/key`. A copy is used again for as long as the marker
in the bucket is the one it was made with.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import EnvironmentProblem
from contracts.storage.errors import NoAnswer, StorageProblem
from contracts.storage.folders import download, publish, read_marker
from contracts.storage.location import SCHEMES, Location, is_remote, parse_location
from contracts.storage.objects import list_files

STAGING_VARIABLE = "KELP_STAGING"
_MARKERS = ".markers"
# The same for all processes of a run, each of which has a temporary folder of its own.
_HOMELESS = Path("/var/tmp")
_LOG = logging.getLogger(__name__)


def staging_folder() -> Path:
    """Gives the folder of all local copies."""
    named = os.environ.get(STAGING_VARIABLE)
    if named:
        return Path(named).resolve()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else _home_cache()).resolve() / "kelp" / "staging"


def _home_cache() -> Path:
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # a container's user may have no home
        return _HOMELESS


def local_place(place: str | Path) -> Path:
    """Gives where the local copy of a place is, or would be; a local path is its own copy."""
    if not is_remote(place):
        return Path(place)
    location = parse_location(str(place))
    return staging_folder() / location.scheme / location.path


def remote_place(path: str | Path) -> str:
    """Gives the address whose local copy a path is; else the path itself."""
    folder = staging_folder()
    if is_remote(path) or not Path(path).is_relative_to(folder):
        return str(path)
    scheme, *parts = Path(path).relative_to(folder).parts
    return f"{scheme}://{'/'.join(parts)}" if scheme in SCHEMES and parts else str(path)


def stage(place: str | Path) -> Path:
    """Gives the local copy of a published folder, which is made where it is missing or old.

    A copy that is there serves while the bucket's server does not answer.

    Raises:
      StorageProblem: The folder is not published, or cannot be read.
    """
    if not is_remote(place):
        return Path(place)
    location = parse_location(str(place))
    folder, marker = local_place(place), _marker(location)
    try:
        content = read_marker(location)
    except NoAnswer as problem:
        if not (folder.is_dir() and marker.is_file()):
            raise
        _LOG.warning("The local copy is used: %s", problem)
        return folder
    if content is None:
        raise StorageProblem(
            "There is no whole folder at this address.",
            where=str(location),
            expected="a folder that Kelp has published there",
            fix="correct the address, or run the pipeline again",
        )
    with locked(location):
        if not (folder.is_dir() and marker.is_file() and marker.read_bytes() == content):
            marker.unlink(missing_ok=True)
            if folder.exists():
                shutil.rmtree(folder)
            with _written(folder):
                download(location, content, folder)
                _keep(marker, content)
    return folder


def is_there(place: str) -> bool:
    """Whether there is a local folder, or something at an address in a bucket.

    Raises:
      StorageProblem: The bucket cannot be read.
    """
    if not is_remote(place):
        return Path(place).is_dir()
    location = parse_location(place)
    return read_marker(location) is not None or bool(list_files(location))


def stage_if_there(place: str | Path) -> Path | None:
    """Gives the local copy of a folder; None where there is no such folder.

    Raises:
      StorageProblem: The bucket cannot be read.
    """
    if is_remote(place) and read_marker(parse_location(str(place))) is None:
        return None
    folder = stage(place)
    return folder if folder.is_dir() else None


def remote_text(text: str) -> str:
    """Gives a text with the addresses of what it names by the paths of local copies."""
    folder = staging_folder()
    for scheme in SCHEMES:
        text = text.replace(f"{folder}/{scheme}/", f"{scheme}://")
    return text


def publish_staged(place: str) -> None:
    """Publishes the local copy of an address: what was written there by this machine.

    Raises:
      StorageProblem: The bucket cannot be written.
    """
    location = parse_location(place)
    with locked(location):
        marker = _marker(location)
        marker.unlink(missing_ok=True)
        _keep(marker, publish(local_place(place), location))


def _marker(location: Location) -> Path:
    name = hashlib.sha256(str(location).encode()).hexdigest()
    return staging_folder() / _MARKERS / f"{name}.json"


def _keep(marker: Path, content: bytes) -> None:
    temporary = marker.with_suffix(".tmp")
    temporary.write_bytes(content)
    temporary.replace(marker)


@contextmanager
def locked(location: Location) -> Iterator[None]:
    """Lets one process of this machine at a time copy a place."""
    path = _marker(location).with_suffix(".lock")
    with _written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentProblem(
            "The local copy of a bucket's folder cannot be written.",
            where=str(path),
            expected="a folder with room that this user may write",
            received=str(error),
            fix=f"make room, or set {STAGING_VARIABLE} to another folder",
        ) from error
