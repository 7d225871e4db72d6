"""The root of a pipeline in a bucket: its metadata and runs are worked on in a local copy.

Artifacts are staged by `staged_work`. A run's folder is sent when the run ends, and whenever
a node of it ends that has a process of its own. Metadata in SQLite are sent before and after
each node: SQLite wants a local file, and a machine that has never seen the root goes on with
the copy, and gives no id again.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from contracts.errors import EnvironmentProblem
from contracts.files import read_json, write_json
from contracts.results.summary import Summary
from contracts.storage.folders import copy_down, copy_up
from contracts.storage.location import Location, is_remote, parse_location
from contracts.storage.objects import (
    find_file,
    list_names,
    read_bytes,
    require_bucket,
    write_bytes,
)
from contracts.storage.staging import local_place, locked, remote_place
from contracts.storage.sync import SyncedFolder

_LATEST = "latest"
_METADATA = "metadata.sqlite"
_SEEN = ".metadata-seen.json"


class RemoteRoot:
    """A pipeline's folder of runs, local or with a copy in a bucket.

    Args:
      root: The local folder, as `pipeline_root` gives it.
    """

    def __init__(self, root: Path) -> None:
        place = remote_place(root)
        self._root = root
        self._place = parse_location(place) if is_remote(place) else None

    def fetch_metadata(self) -> None:
        """Takes the metadata from the bucket where those of this machine are not the same.

        Raises:
          StorageProblem: The bucket is not there, or cannot be read.
        """
        if self._place is None:
            return
        require_bucket(self._place)
        with locked(self._place / _METADATA):
            stamp = self._stamp()
            if stamp is None or stamp == self._seen():
                return
            self._root.mkdir(parents=True, exist_ok=True)
            temporary = self._root / f".{_METADATA}.fetched"
            copy_down(self._place / _METADATA, temporary)
            temporary.replace(self._root / _METADATA)
            write_json(self._root / _SEEN, stamp)

    def send_metadata(self) -> None:
        """Brings the metadata to the bucket; there are none where a server has them.

        Raises:
          StorageProblem: The bucket cannot be written.
          EnvironmentProblem: Another machine has written metadata there meanwhile.
        """
        source = self._root / _METADATA
        if self._place is None or not source.is_file():
            return
        with locked(self._place / _METADATA):
            self._send_metadata(self._place / _METADATA, source)

    def _send_metadata(self, place: Location, source: Path) -> None:
        if self._stamp() != self._seen():
            raise EnvironmentProblem(
                "Another machine has run this pipeline meanwhile.",
                where=str(place),
                expected="one machine at a time, as metadata are in SQLite",
                fix="run again: what the other run has done is taken over; or let several "
                "machines share a metadata server: metadata=postgresql://...",
            )
        with tempfile.TemporaryDirectory(prefix="kelp-") as folder:
            copy = Path(folder) / _METADATA
            with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(copy)) as whole:
                live.backup(whole)
            copy_up(copy, place)
        write_json(self._root / _SEEN, self._stamp())

    def fetch_run(self, run_id: str) -> Path:
        """Takes from the bucket what a run's folder has there, and gives the local folder.

        Raises:
          StorageProblem: The bucket is not there, or cannot be read.
        """
        folder = self._root / run_id
        if self._place is not None:
            with locked(self._place / run_id):
                SyncedFolder(folder, self._place / run_id).fetch()
        return folder

    def send_run(self, folder: Path) -> None:
        """Brings a run's folder to the bucket, its summary last.

        Raises:
          StorageProblem: The bucket cannot be written.
        """
        if self._place is None:
            return
        with locked(self._place / folder.name):
            SyncedFolder(folder, self._place / folder.name).send(last=(Summary.FILE,))
        if (folder / Summary.FILE).is_file():
            write_bytes(self._place / _LATEST, folder.name.encode())

    def send(self, folder: Path) -> None:
        """Brings metadata and a run's folder to the bucket.

        Raises:
          EnvironmentProblem: The bucket cannot be written, or another machine has.
        """
        self.send_metadata()
        self.send_run(folder)

    def try_to_send(self, folder: Path) -> list[str]:
        """The same of a run that failed; gives the line that says why it cannot be done, if so."""
        try:
            self.send(folder)
        except EnvironmentProblem as problem:
            return [f"  {'not sent:':<10}{problem.what} The run's folder is {folder}."]
        return []

    def latest(self) -> str | None:
        """Gives the id of the run that ended last, as the bucket has it; None for none.

        Raises:
          StorageProblem: The bucket is not there, or cannot be read.
        """
        assert self._place is not None
        if find_file(self._place / _LATEST) is None:
            return None
        return read_bytes(self._place / _LATEST).decode(errors="replace").strip()

    def run_ids(self) -> list[str]:
        """Gives the ids of the runs that the bucket has.

        Raises:
          StorageProblem: The bucket is not there, or cannot be read.
        """
        assert self._place is not None
        return [name for name in list_names(self._place) if name not in (_LATEST, "artifacts")]

    def _stamp(self) -> list[int] | None:
        assert self._place is not None
        file = find_file(self._place / _METADATA)
        return None if file is None else [file.size, file.modified_ns]

    def _seen(self) -> Any:
        path = self._root / _SEEN
        return read_json(path) if path.is_file() else None


def local_runs(runs: str, name: str, wanted: str = _LATEST) -> Path:
    """Gives the local folder of all runs, with the one that is meant in it.

    Args:
      runs: The config's key.
      name: The pipeline.
      wanted: The id of a run, or `latest`.

    Raises:
      StorageProblem: The bucket is not there, or cannot be read.
    """
    folder = local_place(runs)
    if not is_remote(runs):
        return folder
    root = RemoteRoot(folder / name)
    run_id = root.latest() if wanted == _LATEST else wanted
    if run_id is not None and run_id in root.run_ids():
        root.fetch_run(run_id)
        if wanted == _LATEST:
            point_latest(folder / name / run_id)
    return folder


def run_by_address(address: str) -> Path | None:
    """Gives the local folder of a run; None where there is none at the address.

    Args:
      address: Of the run's folder, or of the folder of its pipeline, whose latest run is meant.

    Raises:
      StorageProblem: The bucket is not there, or cannot be read.
    """
    place = parse_location(address)
    if find_file(place / Summary.FILE) is None:
        run_id = RemoteRoot(local_place(str(place))).latest()
        if run_id is None:
            return None
        place /= run_id
    above = Location(place.scheme, place.bucket, place.key.rpartition("/")[0])
    return RemoteRoot(local_place(str(above))).fetch_run(place.name)


def point_latest(folder: Path) -> None:
    """Lets the link `latest` lead to a run."""
    temporary = folder.parent / f".latest-{folder.name}"
    temporary.symlink_to(folder.name)
    temporary.replace(folder.parent / _LATEST)
