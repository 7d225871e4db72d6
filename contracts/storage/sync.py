"""A local folder and its place in a bucket, to which several machines add files.

Unlike a published folder it has no marker: each file is whole by itself. What was sent or
fetched is remembered, so that only what changed since is copied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from contracts.files import read_json, write_json
from contracts.storage.folders import copy_down, copy_up, in_threads
from contracts.storage.location import Location
from contracts.storage.objects import StoredFile, find_file, list_files
from contracts.storage.staging import staging_folder

_Stamp = list[int]


class SyncedFolder:
    """A local folder, and the place in a bucket that it is a copy of.

    Args:
      folder: The local folder.
      place: The place in the bucket.
    """

    def __init__(self, folder: Path, place: Location) -> None:
        self._folder, self._place = folder, place
        name = hashlib.sha256(f"{place} {folder.resolve()}".encode()).hexdigest()
        self._record = staging_folder() / ".markers" / f"{name}.sync.json"

    def fetch(self) -> None:
        """Copies what is new or changed in the bucket to the local folder.

        Raises:
          StorageProblem: The bucket cannot be read.
        """
        known = self._known()
        for file in list_files(self._place):
            name = file.location.key.removeprefix(f"{self._place.key}/")
            path = self._folder / name
            if not path.resolve().is_relative_to(self._folder.resolve()):
                continue
            if path.is_file() and known.get(name, {}).get("remote") == _remote_stamp(file):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.fetched")
            copy_down(file.location, temporary)
            temporary.replace(path)
            known[name] = {"local": _local_stamp(path), "remote": _remote_stamp(file)}
        write_json(self._record, known)

    def send(self, last: Collection[str] = ()) -> None:
        """Copies what is new or changed in the local folder to the bucket.

        Args:
          last: Files that are copied after all others.

        Raises:
          StorageProblem: The bucket cannot be written.
        """
        known = self._known()
        paths = (path for path in self._folder.rglob("*") if path.is_file())
        names = [path.relative_to(self._folder).as_posix() for path in paths]
        shown = [name for name in names if not name.rpartition("/")[2].startswith(".")]
        stamps = {name: _local_stamp(self._folder / name) for name in sorted(shown)}
        changed = [name for name in stamps if known.get(name, {}).get("local") != stamps[name]]

        def copy(name: str) -> None:
            location = self._place / name
            copy_up(self._folder / name, location)
            file = find_file(location)
            known[name] = {"local": stamps[name], "remote": _remote_stamp(file) if file else []}

        in_threads(copy, [name for name in changed if name not in last])
        for name in last:
            if name in changed:
                copy(name)
        write_json(self._record, known)

    def _known(self) -> Any:
        return read_json(self._record) if self._record.is_file() else {}


def _local_stamp(path: Path) -> _Stamp:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _remote_stamp(file: StoredFile) -> _Stamp:
    return [file.size, file.modified_ns]
