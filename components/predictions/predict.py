"""Takes the predictions of models on the rows of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from components.predictions.keys import KeysSpec, add_figures, slice_keys
from components.row_sample import RowSample, drawn_batches
from contracts.arrays import Array
from contracts.errors import ModelError
from evidence.prediction_table import PredictionTable
from models.data.raw_table import read_table
from models.export.scorer import Scorer
from models.features.spec import FeaturesSpec
from models.tasks import find_task


def predict(
    files: Sequence[str],
    schema: schema_pb2.Schema,
    problem: FeaturesSpec,
    models: Mapping[str, Path],
    keys: KeysSpec,
    sample: RowSample | None = None,
    all_rows: int | None = None,
) -> PredictionTable:
    """Gives what each of `models` says of every row, and the threshold it decides at.

    Args:
      files: The split's files.
      schema: The schema of the examples.
      problem: The task and the label.
      models: SavedModels by name.
      keys: Which raw columns to keep.
      sample: Which rows to predict; None predicts all.
      all_rows: How many rows the split has, where a sample is predicted.

    Raises:
      ModelError: a model gives something that is no number.
    """
    scorers = {name: Scorer(path, problem.task) for name, path in models.items()}
    parts: dict[str, list[Array]] = {name: [] for name in models}
    tables: list[pa.Table] = []
    for records, table in drawn_batches(files, schema, sample):
        tables.append(add_figures(table, problem, keys))
        for name, scorer in scorers.items():
            parts[name].append(scorer.examples([records]))
    if not tables:
        tables.append(add_figures(read_table(files, schema), problem, keys))
    columns = pa.concat_tables(tables)
    scores = {name: _joined(arrays) for name, arrays in parts.items()}
    for name, values in scores.items():
        _check(name, values)
    return PredictionTable(
        task=problem.task,
        classes=problem.label_classes(),
        thresholds={
            name: scorer.threshold
            for name, scorer in scorers.items()
            if scorer.threshold is not None
        },
        labels=label_ids(columns[problem.label.name], problem),
        keys=slice_keys(columns.drop_columns([problem.label.name]), keys),
        scores=scores,
        all_rows=None if sample is None else all_rows,
        forecast=scorers[next(iter(models))].forecast,
    )


def _joined(parts: Sequence[Array]) -> Array:
    return np.concatenate(parts) if parts else np.zeros([0], np.float32)


def label_ids(column: pa.ChunkedArray, problem: FeaturesSpec) -> Array:
    """Gives the label as class ids (int64), or as numbers (float64).

    The label of a forecast is `[rows, steps]`.
    """
    if problem.label.steps is not None:
        lists = column.combine_chunks()
        steps: Array = lists.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
        return steps.reshape(len(lists), problem.label.steps)
    if not find_task(problem.task).has_classes:
        numbers: Array = column.cast(pa.float64()).to_numpy()
        return numbers
    classes = problem.label_classes()
    text = pa.types.is_string(column.type)
    known = pa.array([str(value) if text else int(value) for value in classes], column.type)
    ids: Array = pc.index_in(column, known).cast(pa.int64()).to_numpy()
    return ids


def _check(name: str, scores: Array) -> None:
    bad = ~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1)
    if bad.any():
        raise ModelError(
            f"the {name} predicts something that is no number",
            where=f"Predictions, row {int(np.argmax(bad)) + 1} of split test",
            expected="a finite prediction for every row",
            received=f"{int(bad.sum()):,} of {len(scores):,} rows are not finite",
            fix="look at the training curves in the report: clip_norm or a smaller "
            "training.optimizer.learning_rate may help",
        )
