"""Whether the places that a run writes to can be written, found out without running."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from contracts.errors import EnvironmentProblem
from contracts.storage.location import is_remote, parse_location
from contracts.storage.objects import try_to_write
from contracts.storage.staging import STAGING_VARIABLE, staging_folder

_FREE_BYTES = 2 << 30


def check_writable(place: str, key: str) -> str:
    """Gives what is known about a folder, or a place in a bucket, that a run writes to.

    Args:
      place: The folder or the address.
      key: The config's key that names it.

    Raises:
      EnvironmentProblem: It cannot be written, or its disk is nearly full.
    """
    if not is_remote(place):
        free = _check_folder(Path(place), key)
        return f"{place}: writable, {free / 2**30:.0f} GiB free"
    try_to_write(parse_location(place))
    free = _check_folder(staging_folder(), STAGING_VARIABLE)
    return f"{place}: writable; local copies in {staging_folder()}, {free / 2**30:.0f} GiB free"


def _check_folder(folder: Path, key: str) -> int:
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise EnvironmentProblem(
            f"{folder} cannot be written",
            where=f"key {key}: {folder}",
            expected="a folder that this user may write",
            received=f"{existing} is not a folder" if existing.is_file() else "no permission",
            fix=f"correct the permissions, or choose another folder with {key}=FOLDER",
        )
    free = shutil.disk_usage(existing).free
    if free < _FREE_BYTES:
        raise EnvironmentProblem(
            f"the disk of {folder} is nearly full",
            where=f"key {key}: {folder}",
            expected=f"{_FREE_BYTES >> 30} GiB free",
            received=f"{free / 2**30:.1f} GiB",
            fix="make room, such as by removing old runs, or choose another disk",
        )
    return free
