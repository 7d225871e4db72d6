"""The predictions of several models on the same rows, as a table and as files."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.arrays import Array
from contracts.files import read_json, write_json
from contracts.results.forecast import ForecastFacts
from models.features.spec import Task

ROWS_FILE = "test.parquet"
FACTS_FILE = "predictions.json"
CANDIDATE = "candidate"
BASELINE = "baseline"
MAJORITY = "majority"
_KEY, _MODEL = "key.", "model."


@dataclass(frozen=True)
class PredictionTable:
    """What models say of the rows of one split, in the order of its files.

    Attributes:
      task: The task.
      classes: The label's values in the order of their ids; empty for regression.
      thresholds: By model, its own operating threshold; binary only. A model that is
        not named decides at 0.5.
      labels: Class ids (int64), numbers (float64), or the numbers of each step of a forecast.
      keys: The raw columns that rows can be sliced by.
      scores: By model, P(second class) `[rows]`, class probabilities `[rows, classes]`, or
        predicted numbers `[rows]`; of a forecast all steps of the lowest quantile, then those of
        the next, `[rows, quantiles * horizon]`, or points alone.
      all_rows: How many rows the split has, where these are a sample of them.
      forecast: The levels of the quantiles, and what MASE is scaled by; forecasts only.
    """

    task: Task
    classes: tuple[bool | int | str, ...]
    thresholds: dict[str, float]
    labels: Array
    keys: pa.Table
    scores: dict[str, Array]
    all_rows: int | None = None
    forecast: ForecastFacts | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.labels)

    def take(self, rows: Array) -> PredictionTable:
        """Gives the same for some rows: places or a mask."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            labels=self.labels[places],
            keys=self.keys.take(pa.array(places)),
            scores={name: values[places] for name, values in self.scores.items()},
        )

    def with_models(
        self, scores: Mapping[str, Array], thresholds: Mapping[str, float]
    ) -> PredictionTable:
        """Gives the same with further models, each with its own operating threshold."""
        return replace(
            self,
            scores={**self.scores, **scores},
            thresholds={**self.thresholds, **thresholds},
        )


def write_predictions(folder: Path, table: PredictionTable) -> None:
    """Writes `test.parquet` (row, label, `key.*`, `model.*`) and `predictions.json`."""
    columns: dict[str, Any] = {
        "row": pa.array(np.arange(table.rows)),
        "label": _to_arrow(table.labels),
    }
    columns |= {_KEY + name: table.keys[name] for name in table.keys.column_names}
    write_scores(folder / ROWS_FILE, table.scores, columns)
    facts = {
        "task": table.task,
        "classes": list(table.classes),
        "thresholds": table.thresholds,
        "rows": table.rows,
        "all_rows": table.all_rows,
        "models": list(table.scores),
        "forecast": None if table.forecast is None else table.forecast.model_dump(mode="json"),
    }
    write_json(folder / FACTS_FILE, facts)


def read_predictions(folder: Path) -> PredictionTable:
    """Reads what `write_predictions` wrote."""
    facts = read_json(folder / FACTS_FILE)
    content = pq.read_table(folder / ROWS_FILE)
    keys = [name for name in content.column_names if name.startswith(_KEY)]
    forecast = facts.get("forecast")
    return PredictionTable(
        task=facts["task"],
        classes=tuple(facts["classes"]),
        thresholds=facts["thresholds"],
        labels=_to_numpy(content["label"]),
        keys=content.select(keys).rename_columns([name.removeprefix(_KEY) for name in keys]),
        scores=scores_of(content),
        all_rows=facts["all_rows"],
        forecast=forecast and ForecastFacts.model_validate(forecast),
    )


def write_scores(
    path: Path, scores: Mapping[str, Array], columns: Mapping[str, Any] | None = None
) -> None:
    """Writes one column a model, beside `columns` where given; all of it or nothing."""
    content = dict(columns or {"row": pa.array(np.arange(len(next(iter(scores.values())))))})
    content |= {_MODEL + name: _to_arrow(values) for name, values in scores.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    pq.write_table(pa.table(content), temporary)
    temporary.replace(path)


def read_scores(path: Path) -> dict[str, Array]:
    """Reads the columns of the models that `write_scores` wrote."""
    return scores_of(pq.read_table(path))


def scores_of(content: pa.Table) -> dict[str, Array]:
    """Gives the columns of the models, without the prefix."""
    return {
        name.removeprefix(_MODEL): _to_numpy(content[name])
        for name in content.column_names
        if name.startswith(_MODEL)
    }


def _to_arrow(values: Array) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _to_numpy(column: pa.ChunkedArray) -> Array:
    if not pa.types.is_fixed_size_list(column.type):
        plain: Array = column.to_numpy()
        return plain
    flat: Array = column.combine_chunks().flatten().to_numpy()
    return flat.reshape(len(column), column.type.list_size)
