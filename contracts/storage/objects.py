"""Single objects of a bucket, and lists of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from contracts.storage.errors import explained, missing_bucket
from contracts.storage.filesystem import connect
from contracts.storage.location import Location, is_remote, parse_location

# Hadoop's connectors write such objects, of no bytes, where a folder would be.
_FOLDER_MARK = "_$folder$"


@dataclass(frozen=True)
class StoredFile:
    """An object.

    Attributes:
      location: Where it is.
      size: Its bytes.
      modified_ns: When it was written, in nanoseconds since 1970.
    """

    location: Location
    size: int
    modified_ns: int


def list_files(folder: Location) -> list[StoredFile]:
    """Gives all objects below a place, in the order of their keys; none where nothing is there.

    Objects of no bytes that stand for folders are left out.

    Raises:
      StorageProblem: The bucket is not there, or cannot be listed.
    """
    files = [
        StoredFile(_at(folder, info.path), info.size, info.mtime_ns or 0)
        for info in _listed(folder, recursive=True)
        if info.is_file
    ]
    return sorted(files, key=lambda file: file.location.key)


def list_names(folder: Location) -> list[str]:
    """Gives the names one level below a place, of objects and of what looks like folders.

    Raises:
      StorageProblem: The bucket is not there, or cannot be listed.
    """
    return sorted({info.base_name for info in _listed(folder, recursive=False)})


def _listed(folder: Location, *, recursive: bool) -> list[Any]:
    from pyarrow import fs

    selector = fs.FileSelector(folder.path, recursive=recursive, allow_not_found=True)
    with explained(folder):
        found = connect(folder).get_file_info(selector)
    if not found:
        require_bucket(folder)
    return [info for info in found if not info.path.endswith(_FOLDER_MARK)]


def find_file(location: Location) -> StoredFile | None:
    """Gives an object; None where there is none, or where folders alone are.

    Raises:
      StorageProblem: The bucket is not there, or cannot be read.
    """
    from pyarrow import fs

    if not location.key:
        require_bucket(location)
        return None
    with explained(location):
        info = connect(location).get_file_info(location.path)
    if info.type == fs.FileType.NotFound:
        require_bucket(location)
    if info.type != fs.FileType.File:
        return None
    return StoredFile(location, info.size, info.mtime_ns or 0)


def require_bucket(location: Location) -> None:
    """Refuses a bucket that is not there.

    Raises:
      StorageProblem: There is none, or it cannot be read.
    """
    from pyarrow import fs

    with explained(location):
        info = connect(location).get_file_info(location.bucket)
    if info.type == fs.FileType.NotFound:
        raise missing_bucket(location)


def read_bytes(location: Location) -> bytes:
    """Gives the content of an object.

    Raises:
      MissingObject: There is none.
      StorageProblem: It cannot be read.
    """
    with _in_bucket(location), connect(location).open_input_stream(location.path) as stream:
        content: bytes = stream.read()
    return content


def write_bytes(location: Location, content: bytes) -> None:
    """Writes an object: readers see all of it or none.

    Raises:
      StorageProblem: It cannot be written.
    """
    with _in_bucket(location), connect(location).open_output_stream(location.path) as stream:
        stream.write(content)


@contextmanager
def _in_bucket(location: Location) -> Iterator[None]:
    """As `explained`; what is not there may be the bucket itself."""
    with explained(location):
        try:
            yield
        except FileNotFoundError:
            require_bucket(location)
            raise


def remove_file(location: Location) -> None:
    """Removes an object; it is no error where there is none.

    Raises:
      StorageProblem: It cannot be removed.
    """
    with explained(location):
        try:
            connect(location).delete_file(location.path)
        except FileNotFoundError:
            return


def try_to_write(folder: Location) -> None:
    """Writes a small object below a place, and removes it.

    Raises:
      StorageProblem: The bucket is not there, or does not allow it.
    """
    probe = folder / f".kelp-check-{uuid.uuid4().hex}"
    require_bucket(folder)
    write_bytes(probe, b"written by kelp check, and may be removed\n")
    remove_file(probe)


def open_stream(place: str, compression: str | None = "detect") -> pa.NativeFile:
    """Opens a local file or an object to be read from its beginning to its end.

    Args:
      place: A path, or the address of an object.
      compression: `detect` goes by the name; None gives the bytes as they are.
    """
    if not is_remote(place):
        return pa.input_stream(place, compression=compression)
    location = parse_location(place)
    with explained(location):
        return connect(location).open_input_stream(location.path, compression=compression)


def open_random(place: str) -> Any:
    """Opens an object to be read in any order; a local path is given as it is."""
    if not is_remote(place):
        return place
    location = parse_location(place)
    with explained(location):
        return connect(location).open_input_file(location.path)


def file_size(place: str) -> int:
    """Gives the bytes of a local file or of an object.

    Raises:
      StorageProblem: There is no such object, or it cannot be read.
    """
    if not is_remote(place):
        return Path(place).stat().st_size
    location = parse_location(place)
    file = find_file(location)
    if file is None:
        with explained(location):
            raise FileNotFoundError(place)
    return file.size


def _at(folder: Location, path: str) -> Location:
    return Location(folder.scheme, *path.split("/", 1))
