"""Copies a model into a local serving root so that a watcher never sees half of it."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.errors import EnvironmentProblem
from contracts.files import read_json, write_json

EXTRA_FOLDER = "assets.extra"
FACTS_FILE = f"{EXTRA_FOLDER}/kelp.json"
_ATTEMPTS = 20
_LEFTOVER_S = 3600


def push(
    model_dir: Path,
    target: Path,
    extra: Mapping[str, Path] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Copies `model_dir` to `<target>/<version>` and gives that path.

    The version is one more than the newest there. The copy is made under a temporary name
    in the same folder, written through to the disk, and renamed. Where the newest version
    has the same facts, it is given and nothing is copied: a run that was killed before it
    recorded its push has pushed that model already.

    Args:
      model_dir: A SavedModel.
      target: `<root>/<name>`.
      extra: Files for `assets.extra/`, by their names there.
      facts: What tells the model from others, kept in `assets.extra/kelp.json`.

    Raises:
      EnvironmentProblem: the serving root cannot be written.
    """
    if facts is not None:
        newest = target / str((versions(target) or [0])[-1])
        if (newest / FACTS_FILE).is_file() and read_json(newest / FACTS_FILE) == facts:
            return newest
    temporary = target / f".tmp-{uuid.uuid4().hex}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        assemble(temporary, model_dir, extra, facts)
        _write_through(temporary)
        return _rename_to_next(temporary, target)
    except OSError as error:
        raise EnvironmentProblem(
            "The model could not be written to the serving root.",
            where=f"Pusher, {target}",
            expected="a folder with room that this user may write",
            received=str(error),
            fix="make room or correct the permissions, then run again: only Pusher is left to do",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def assemble(
    folder: Path,
    model_dir: Path,
    extra: Mapping[str, Path] | None,
    facts: Mapping[str, Any] | None,
) -> None:
    """Makes a folder that holds all that a version consists of."""
    shutil.copytree(model_dir, folder)
    for name, path in (extra or {}).items():
        (folder / EXTRA_FOLDER).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / EXTRA_FOLDER / name)
    if facts is not None:
        (folder / EXTRA_FOLDER).mkdir(exist_ok=True)
        write_json(folder / FACTS_FILE, facts)


def versions(target: Path) -> list[int]:
    """The versions in `<root>/<name>`, oldest first."""
    if not target.is_dir():
        return []
    return sorted(int(path.name) for path in target.iterdir() if path.name.isdecimal())


def _remove_leftovers(target: Path) -> None:
    """Removes the copies that killed pushes did not finish."""
    for folder in target.glob(".tmp-*"):
        if time.time() - folder.stat().st_mtime > _LEFTOVER_S:
            shutil.rmtree(folder, ignore_errors=True)


def _rename_to_next(temporary: Path, target: Path) -> Path:
    for _ in range(_ATTEMPTS):
        version = target / str((versions(target) or [0])[-1] + 1)
        try:
            # Renaming onto a folder that is not empty fails: another pusher was faster.
            temporary.rename(version)
        except OSError:
            if not version.exists():
                raise
            continue
        _sync(target)
        return version
    raise OSError(f"no free version in {target} after {_ATTEMPTS} attempts")


def _write_through(folder: Path) -> None:
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
