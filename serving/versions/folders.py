"""Looks into the folders of models: which versions there are, and whether they changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from contracts.artifact import ARTIFACT_FILE

Fingerprint = tuple[tuple[str, int, int], ...]

_LARGEST_VERSION = 2**63 - 1


@dataclass(frozen=True)
class Found:
    """A version's folder as it was at one look.

    Attributes:
      version: The folder's name as a number.
      path: The folder that is loaded.
    """

    version: int
    path: Path


def versions_in(base: Path) -> dict[int, Found] | None:
    """The folders of `base` that are named as integers; None where `base` is not there."""
    names = _folders_in(base)
    if names is None:
        return None
    found: dict[int, Found] = {}
    # Shortest first: of 1 and 001, which are one version, it is 1 that counts.
    for name in sorted(filter(_is_version, names), key=len):
        found.setdefault(int(name), Found(int(name), base / name))
    return found


def models_in(root: Path) -> dict[str, Path]:
    """The folders of `root` that hold at least one version, by name."""
    return {
        name: root / name
        for name in sorted(_folders_in(root) or ())
        if not name.startswith(".") and ":" not in name and versions_in(root / name)
    }


def artifacts_in(root: Path) -> dict[str, dict[int, Found]]:
    """The TFLite and ONNX files under `<root>/<name>/<version>/<variant>/`, by name and variant."""
    models: dict[str, dict[int, Found]] = {}
    for name, folder in models_in(root).items():
        for version, found in (versions_in(folder) or {}).items():
            for path in sorted(found.path.glob(f"*/{ARTIFACT_FILE}")):
                variant = f"{name}-{path.parent.name}"
                models.setdefault(variant, {})[version] = Found(version, path.parent)
    return models


def fingerprint(folder: Path) -> Fingerprint:
    """Names, sizes and times of all files in a folder; empty where it is not there."""
    files: list[tuple[str, int, int]] = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 (ten times as fast)
            try:
                stat = os.stat(path)  # noqa: PTH116
            except OSError:
                continue
            # ctime: copies that keep the old mtime still change it.
            changed = max(stat.st_mtime_ns, stat.st_ctime_ns)
            files.append((os.path.relpath(path, folder), stat.st_size, changed))
    return tuple(sorted(files))


def newest_change(files: Fingerprint) -> float:
    """When the last of the files changed, in seconds since 1970."""
    return max((changed for _, _, changed in files), default=0) / 1e9


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and int(name) <= _LARGEST_VERSION


def _folders_in(folder: Path) -> list[str] | None:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return None
