"""Whole folders in a bucket: published with a marker last, so that none is seen by half.

An object store renames nothing. A folder counts as published once its marker is there; the
marker is written after all other objects, and names each of them with its size and digest.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from contracts.files import file_digest
from contracts.storage.errors import MissingObject, StorageProblem, explained
from contracts.storage.filesystem import connect
from contracts.storage.location import Location
from contracts.storage.objects import list_files, read_bytes, remove_file, write_bytes

MARKER = "_KELP_COMPLETE.json"
_THREADS = 8
_CHUNK = 4 << 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class Manifest:
    """What a published folder holds.

    Attributes:
      files: By relative path, the size in bytes and the SHA-256 of each file.
      folders: The relative paths of all folders: a bucket keeps no empty ones.
    """

    files: dict[str, tuple[int, str]]
    folders: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Gives the content of the marker: the same for the same folder."""
        files = {
            name: {"size": size, "sha256": digest}
            for name, (size, digest) in sorted(self.files.items())
        }
        content = {"version": 1, "files": files, "folders": sorted(self.folders)}
        return (json.dumps(content, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes, where: Location) -> Manifest:
        """Reads a marker.

        Raises:
          StorageProblem: It is none.
        """
        try:
            raw = json.loads(content)
            files = {
                str(name): (int(file["size"]), str(file["sha256"]))
                for name, file in raw["files"].items()
            }
            return cls(files, tuple(raw["folders"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StorageProblem(
                f"{MARKER} is broken.",
                where=str(where),
                expected="the marker that Kelp writes last into a folder",
                fix="remove the folder, and make it again",
            ) from error


def publish(folder: Path, target: Location, last: Sequence[str] = ()) -> bytes:
    """Copies a local folder to a bucket, and gives the content of its marker.

    What was published there is withdrawn first: its marker goes before any other object.
    Where the copy fails or is killed, no marker is there, and `list_published` and
    `read_marker` see nothing.

    Args:
      folder: The local folder.
      target: Where to.
      last: Relative paths of files to be copied after all others, in this order: what other
        programs take as the sign of a whole folder.

    Raises:
      StorageProblem: The bucket cannot be written.
    """
    marker = target / MARKER
    before = {file.location for file in list_files(target)}
    if marker in before:
        remove_file(marker)
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    first = [name for name in files if name not in last]
    in_threads(lambda name: copy_up(files[name], target / name), first)
    for name in last:
        if name in files:
            copy_up(files[name], target / name)
    in_threads(remove_file, before - {target / name for name in files} - {marker})
    content = manifest_of(folder).to_bytes()
    write_bytes(marker, content)
    return content


def read_marker(target: Location) -> bytes | None:
    """Gives the content of a folder's marker; None where the folder is not published.

    Raises:
      StorageProblem: The bucket is not there, or cannot be read.
    """
    try:
        return read_bytes(target / MARKER)
    except MissingObject:
        return None


def list_published(parent: Location) -> list[str]:
    """Gives the names of the published folders one level below a place, in one listing.

    Raises:
      StorageProblem: The bucket is not there, or cannot be listed.
    """
    below = (file.location.key.removeprefix(f"{parent.key}/") for file in list_files(parent))
    parts = (key.split("/") for key in below)
    return sorted(path[0] for path in parts if len(path) == 2 and path[1] == MARKER)


def download(target: Location, content: bytes, folder: Path) -> None:
    """Copies a published folder to a local one that is not there yet: all of it, or nothing.

    Args:
      target: The published folder.
      content: Its marker.
      folder: Where to.

    Raises:
      StorageProblem: The bucket cannot be read, or a file is not the one that was published.
    """
    manifest = Manifest.from_bytes(content, target)
    temporary = folder.parent / f".{folder.name}-{uuid.uuid4().hex}.tmp"
    try:
        temporary.mkdir(parents=True)
        for name in manifest.folders:
            _inside(temporary, name, target).mkdir(parents=True, exist_ok=True)
        in_threads(lambda name: _copy_down(target, name, temporary, manifest), manifest.files)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_published(target: Location) -> None:
    """Removes a folder of a bucket, its marker first.

    Raises:
      StorageProblem: The bucket cannot be written.
    """
    remove_file(target / MARKER)
    in_threads(remove_file, [file.location for file in list_files(target)])


def manifest_of(folder: Path) -> Manifest:
    """Describes a local folder."""
    files = {
        path.relative_to(folder).as_posix(): (path.stat().st_size, file_digest(path))
        for path in _files(folder)
    }
    folders = (path for path in folder.rglob("*") if path.is_dir())
    return Manifest(files, tuple(path.relative_to(folder).as_posix() for path in folders))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def copy_up(path: Path, location: Location) -> None:
    """Copies a local file to an object.

    Raises:
      StorageProblem: It cannot be written.
    """
    with (
        path.open("rb") as source,
        explained(location),
        connect(location).open_output_stream(location.path) as stream,
    ):
        shutil.copyfileobj(source, stream, _CHUNK)


def copy_down(location: Location, path: Path) -> None:
    """Copies an object to a local file.

    Raises:
      StorageProblem: It cannot be read.
    """
    with path.open("wb") as copy:
        for chunk in _chunks(location):
            copy.write(chunk)


def _copy_down(target: Location, name: str, folder: Path, manifest: Manifest) -> None:
    size, digest = manifest.files[name]
    path, location = _inside(folder, name, target), target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    copy_down(location, path)
    if (path.stat().st_size, file_digest(path)) != (size, digest):
        raise StorageProblem(
            "An object is not the one that was published.",
            where=str(location),
            expected=f"{size} bytes, SHA-256 {digest}",
            received=f"{path.stat().st_size} bytes, SHA-256 {file_digest(path)}",
            fix="somebody wrote to it since: remove the folder, and make it again",
        )


def _chunks(location: Location) -> Iterator[bytes]:
    with explained(location):
        stream = connect(location).open_input_stream(location.path)
    with stream:
        while True:
            with explained(location):
                chunk: bytes = stream.read(_CHUNK)
            if not chunk:
                return
            yield chunk


def _inside(folder: Path, name: str, target: Location) -> Path:
    """A marker that others may write must not name a path outside its folder."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise StorageProblem(
            f"{MARKER} names a file outside its folder.", where=str(target), received=name
        )
    return path


def in_threads(work: Callable[[_T], None], items: Iterable[_T]) -> None:
    """Does the work on all items, several at once; after an error begins no more of it."""
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for done in [pool.submit(work, item) for item in items]:
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
