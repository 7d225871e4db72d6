"""`kelp predict`: what an artifact, or a served model, answers for the raw rows of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pyarrow as pa

from components.example_gen.config import RawFormat
from contracts.artifact import ARTIFACT_FILE
from contracts.errors import ConfigError, DataError
from contracts.preparations.images import find_undecodable
from contracts.storage.location import address_or_path, is_remote
from contracts.text import some
from models.compression.runtimes import open_predictor, rows_at_once
from pipelines.commands.explain import find_model
from pipelines.execution.capture import captured
from pipelines.prediction.answers import COLUMNS, AnswerFile, answer_table
from pipelines.prediction.model_rows import ModelRows, require_columns
from pipelines.prediction.raw_format import format_explained, raw_format
from pipelines.prediction.raw_rows import RawRows, open_rows
from pipelines.prediction.served_images import served_types
from pipelines.prediction.staged_model import staged_model

_ROWS_AT_ONCE = 4096


class Answering(Protocol):
    """What answers raw rows: an artifact in this process, or a server."""

    @property
    def types(self) -> Mapping[str, str]:
        """By column, what its values must be: a `number`, an `integer` or `text`."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """By column whose rows hold lists of numbers, how long these are."""

    @property
    def images(self) -> Mapping[str, int] | None:
        """By input that takes images, how many pixels these may have; None if that is not known."""

    def inputs(self, table: pa.Table) -> dict[str, Any]:
        """Turns raw rows, missing values being null, into what it takes."""

    def answers(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Gives the outputs, by name."""


@dataclass(frozen=True)
class RowOptions:
    """What is taken of a file, and written of it.

    Attributes:
      allow_missing: Takes a column that the file lacks as missing in every row.
      keep: Columns of the file to write before the answers, such as a key.
      all_starts: Of a long table of series, predicts each window instead of the newest.
    """

    allow_missing: bool = False
    keep: Sequence[str] = ()
    all_starts: bool = False


_PLAIN = RowOptions()


def predict(
    artifact: str | Answering,
    data: Path,
    out: Path | None,
    limit: int | None,
    delimiter: str | None = None,
    *,
    config: Path | None = None,
    options: RowOptions = _PLAIN,
) -> list[str]:
    """Predicts the rows of a file.

    Args:
      artifact: A SavedModel, a folder of versions, a name under serving_models/, or a folder
        with artifact.json; or a model that is loaded already, such as a server's.
      data: A CSV or Parquet file, local or in a bucket; for a model of series the windows, or
        the long table, of which the newest window of each series is predicted.
      out: Where the answers go: CSV, JSON lines or Parquet by the suffix; None prints CSV.
      limit: How many rows, from the first; None takes all.
      delimiter: Of a CSV file; None for that of the model's training data.
      config: A config whose `data` tell how the file is written; None for what the artifact
        says about its training data.
      options: What is taken of the file, and written of it.

    Returns:
      The columns that the file lacks.

    Raises:
      KelpError: the artifact or the file cannot be read, or does not fit the other.
    """
    _require_other_names(options.keep)
    source = address_or_path(data)
    if out is not None and is_remote(out):
        raise ConfigError(
            "answers are written to a local file",
            where="--out",
            expected="FILE.csv, FILE.parquet or FILE.jsonl",
            received=str(address_or_path(out)),
        )
    found = find_artifact(artifact) if isinstance(artifact, str) else artifact
    # Libraries greet on stderr, and look for a GPU that these batches do not need.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with TemporaryDirectory() as scratch, AnswerFile(out) as answers:
        log = Path(scratch) / "log"
        with captured(log):
            predictor, at_once = _opened(found)
        folder = found if isinstance(found, Path) else None
        raw = raw_format(folder, config, delimiter)
        with format_explained(source, known=(folder or config) is not None):
            rows = _open(source, predictor, raw, options)
            if not options.allow_missing:
                require_columns(rows)
            for first, part, kept in _parts(rows, limit, at_once):
                inputs = predictor.inputs(part)
                with captured(log), _named_images(rows, predictor, inputs, first):
                    table = answer_table(predictor.answers(inputs))
                names = [*kept.column_names, *table.column_names]
                answers.write(pa.table([*kept.columns, *table.columns], names))
    return rows.missing


def _opened(found: Path | Answering) -> tuple[Answering, int]:
    """What answers, and how many rows it is asked about at once: a client splits them itself."""
    if not isinstance(found, Path):
        return found, _ROWS_AT_ONCE
    predictor = open_predictor(found)
    return predictor, rows_at_once(predictor)


def _open(
    source: Path | str, predictor: Answering, raw: RawFormat, options: RowOptions
) -> ModelRows:
    """The rows of a file, or the windows of the series in a long table."""
    from pipelines.prediction.series_rows import long_table

    series = long_table(source, predictor.types, predictor.sizes, raw, options.all_starts)
    if series is None:
        if options.all_starts:
            raise ConfigError(
                "only a long table of series has starts to choose from",
                where="--all-starts",
                expected="a model of data.series, and a table with a row for each step",
                received=str(source),
                fix="leave the option out: each row is predicted",
            )
        known = predictor.images is not None
        types = predictor.types if known else served_types(source, predictor.types, raw)
        return open_rows(source, types, raw, options.keep, predictor.sizes)
    _require_other_names(series.kept)
    if set(options.keep) - set(series.kept):
        raise DataError(
            "a window has no row of its own to keep columns of",
            where="--keep",
            expected=f"nothing: {some(series.kept)} are kept in any case",
            received=some(options.keep),
        )
    return series


def find_artifact(artifact: str) -> Path:
    """The folder that is meant: a SavedModel, or a model file with `artifact.json`.

    Raises:
      ConfigError: there is none, or several.
    """
    artifact = staged_model(artifact)
    folder = Path(artifact)
    if folder.is_file() and (folder.parent / ARTIFACT_FILE).is_file():
        folder = folder.parent
    if (folder / ARTIFACT_FILE).is_file():
        return folder
    inside = sorted(
        str(path.parent) for depth in ("*", "*/*") for path in folder.glob(f"{depth}/artifact.json")
    )
    if inside:
        raise ConfigError(
            f"{artifact} holds several artifacts" if len(inside) > 1 else f"{artifact} holds one",
            where=artifact,
            expected=f"one of: {some(inside)}",
            received="a folder of them",
        )
    return find_model(artifact)


def _require_other_names(keep: Sequence[str]) -> None:
    taken = next((name for name in keep if name in COLUMNS), None)
    if taken is not None:
        raise ConfigError(
            f"the column {taken!r} cannot be kept: an answer has that name",
            where="--keep",
            expected=f"none of: {', '.join(COLUMNS)}",
            received=taken,
            fix="rename it in the file",
        )


@contextmanager
def _named_images(
    rows: ModelRows, predictor: Answering, inputs: Mapping[str, Any], first: int
) -> Iterator[None]:
    """Names the file and the row of an image that cannot be decoded; `first` counts from 0."""
    try:
        yield
    except DataError as error:
        found = find_undecodable(inputs, predictor.images or {})
        if found is None or not isinstance(rows, RawRows):
            raise
        name, row, fault = found
        file = rows.file_of(name, first + row)
        named = f" ({file})" if file else ""
        raise DataError(
            fault.what,
            where=f"{rows.path}, row {first + row + 1:,}{named}",
            expected=fault.expected,
            received=fault.received,
            fix="replace the file by a whole one, or leave it out",
        ) from error


def _parts(
    rows: ModelRows, limit: int | None, at_once: int
) -> Iterator[tuple[int, pa.Table, pa.Table]]:
    """The first row, from 0, the rows and what is kept of them, few enough at once."""
    left = limit
    first = 0
    for table, kept in rows.tables_and_kept():
        wanted = table.num_rows if left is None else min(left, table.num_rows)
        for start in range(0, wanted, at_once):
            count = min(at_once, wanted - start)
            yield first + start, table.slice(start, count), kept.slice(start, count)
        first += wanted
        if left is not None:
            left -= wanted
            if not left:
                return
    if not first:
        raise DataError(
            f"{rows.path} has no rows", where=str(rows.path), expected="a row or more to predict"
        )
