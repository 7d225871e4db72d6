"""Cross-validation of one run: read, fold, train, summarise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow_transform as tft

from components.cross_validation.config import CrossValidationSpec
from components.row_sample import drawn_flags, read_drawn, sample_of, sampled_rows
from contracts.arrays import Array
from contracts.results.evidence import FoldMetrics
from models.data.dataset import Source, load_columns, rows_held
from models.data.folds import Round, deal_folds, rolling_rounds, rounds_of
from models.data.labels import check_labels
from models.data.transform_layer import TransformLayer
from models.tasks import find_task
from models.training.cross_validation import cross_validate, summarise

_CAVEAT = (
    "The transform graph was learned on all of train, the rows that a fold holds out among "
    "them; val stopped the fit and chose the threshold in every fold."
)

_ROLLING = (
    " The origin rolls: each fold was predicted by a network that had seen only what is older."
)


def validate(
    spec: CrossValidationSpec,
    files: Mapping[str, list[str]],
    rows: Mapping[str, int],
    schema: Any,
    graph: tft.TFTransformOutput,
) -> FoldMetrics:
    """Trains and scores once a fold.

    Args:
      spec: The Trainer's spec, the split's, and how many folds.
      files: The files of train and val.
      rows: How many rows each of them has.
      schema: The schema with dense representations.
      graph: The transform graph.

    Raises:
      ConfigError: train has too few rows, keys or moments for the folds.
    """
    problem = spec.trainer.problem
    source = Source(schema, TransformLayer(graph), problem.label.name)
    samples = {
        name: sample_of(
            rows[name], rows_held(files[name], source, spec.sample_rows), spec.trainer.seed
        )
        for name in ("train", "val")
    }
    columns = {
        name: load_columns(files[name], source, drawn_flags(files[name], schema, sample))
        for name, sample in samples.items()
    }
    for name, split in columns.items():
        check_labels(problem, split[source.label], name)
    labels = columns["train"][source.label]

    def keys(names: Sequence[str]) -> pa.Table:
        return read_drawn(files["train"], schema, samples["train"], names)

    rounds = _rounds(spec, labels, keys)
    fits = cross_validate(spec.trainer, graph, columns["train"], columns["val"], rounds, keys)
    mean, deviation = summarise([fit.metrics for fit in fits])
    return FoldMetrics(
        folds=[fit.metrics for fit in fits],
        mean=mean,
        deviation=deviation,
        rows=len(labels),
        k=spec.folds,
        by=spec.split.fold_rule().by,
        fits=[{k: value for k, value in asdict(fit).items() if k != "metrics"} for fit in fits],
        caveat=_CAVEAT + (_ROLLING if spec.split.by == "time" else ""),
        seed=spec.trainer.seed,
        sampled=[
            line
            for name, values in columns.items()
            for line in sampled_rows(
                f"cross-validation, {name}", len(values[source.label]), rows[name]
            )
        ],
    )


def _rounds(
    spec: CrossValidationSpec, labels: Array, keys: Callable[[Sequence[str]], pa.Table]
) -> list[Round]:
    """What stays together is what the split kept together; time is never predicted backwards."""
    problem = spec.trainer.problem
    if spec.split.by == "time":
        moments = keys(spec.split.columns)[0]
        return rolling_rounds(moments, spec.folds, problem.label.steps or 0)
    rule = spec.split.fold_rule()
    ids = labels if find_task(problem.task).has_classes else np.zeros(len(labels))
    return rounds_of(deal_folds(rule, ids, keys, spec.folds, spec.trainer.seed))
