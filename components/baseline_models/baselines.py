"""All baseline models of one run: read, fitted, scored on val."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow_transform as tft

from components.baseline_models.config import BaselineFitSpec
from components.baseline_models.estimators import Estimator, Outcome, Problem, Rows
from components.baseline_models.forecasters import estimators_of
from components.baseline_models.learning_curve import CurveSetting, learning_curve
from components.baseline_models.prediction_cost import prediction_cost
from components.row_sample import drawn_flags, sample_of, sampled_rows
from contracts.arrays import Array
from contracts.results.advice import LearningCurve
from contracts.results.baselines import BaselineModel, BaselineReport
from contracts.results.evidence import NotMeasured
from contracts.results.forecast import ForecastFacts
from contracts.results.training import OperatingPoint
from models.data.dataset import Source, load_columns
from models.data.labels import check_labels
from models.data.seasonal import history_of, seasonal_errors
from models.data.transform_layer import TransformLayer
from models.data.transformed import input_specs
from models.networks import InputSpec
from models.tasks import find_task
from models.training.operating_point import choose_threshold

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class _BaselineFit:
    """One baseline: what val chose by, what the report says of it, and its scores of test."""

    outcome: Outcome
    model: BaselineModel
    scores: Array


def fit_baselines(
    spec: BaselineFitSpec,
    files: Mapping[str, list[str]],
    rows: Mapping[str, int],
    schema: Any,
    graph: tft.TFTransformOutput,
) -> tuple[dict[str, Array], BaselineReport]:
    """Fits every baseline on train and asks it about test.

    Args:
      spec: Problem, seed, costs and how many rows to look at.
      files: The files of train, val and test.
      rows: How many rows each of them has.
      schema: The schema with dense representations.
      graph: The transform graph.

    Returns:
      By baseline, its scores on the drawn rows of test in the order of the files; and the
      report on the fits.
    """
    problem = spec.problem
    source = Source(schema, TransformLayer(graph), problem.label.name)
    inputs = input_specs(problem, graph)
    splits = {name: _read(spec, name, files[name], source, rows[name], inputs) for name in SPLITS}
    ports = [port for port in inputs if port.encoding.design is not None]
    left_out = [port.name for port in inputs if port.encoding.design is None]
    about = _described(spec, inputs, ports)
    more = _train_and_val(splits) if spec.refit else None
    fits = {
        name: _fit(spec, about, estimator, splits, more)
        for name, estimator in estimators_of(about).items()
    }
    used = {name: len(split.labels) for name, split in splits.items()}
    return {name: fit.scores for name, fit in fits.items()}, BaselineReport(
        models={name: fit.model for name, fit in fits.items()},
        refit_rows=None if more is None else len(more.labels),
        rows=used,
        train_rows=rows["train"],
        seed=spec.seed,
        learning_curve=_learning_curve(
            spec, about, splits, {name: fit.outcome for name, fit in fits.items()}
        ),
        not_measured=_not_measured(left_out),
        sampled=[
            line
            for name in SPLITS
            for line in sampled_rows(f"baseline models, {name}", used[name], rows[name])
        ],
    )


def _train_and_val(splits: Mapping[str, Rows]) -> Rows:
    parts = [splits["train"], splits["val"]]
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    return Rows(columns, np.concatenate([part.labels for part in parts]))


def _fit(
    spec: BaselineFitSpec,
    about: Problem,
    estimator: Estimator,
    splits: Mapping[str, Rows],
    more: Rows | None,
) -> _BaselineFit:
    """Fits one on train, once more where there are rows for it, and asks it about test."""
    started, val, test = time.monotonic(), splits["val"], splits["test"]
    outcome = estimator(about, splits)
    fitted = outcome.fitted if more is None else outcome.refit(more)
    seconds = time.monotonic() - started
    point = _operating_point(spec, outcome, val.labels)
    model = BaselineModel(
        threshold=None if point is None else point.threshold,
        val_metrics=about.kind.val_metrics(val.labels, outcome.scores["val"], point),
        seconds=seconds,
        cost=prediction_cost(fitted, test.columns),
        settings=dict(outcome.settings),
    )
    scores = outcome.scores["test"] if more is None else fitted.predict(test.columns)
    return _BaselineFit(outcome, model, scores)


def _described(spec: BaselineFitSpec, inputs: list[InputSpec], ports: list[InputSpec]) -> Problem:
    problem = spec.problem
    return Problem(
        problem.task,
        len(problem.label_classes()),
        ports,
        spec.seed,
        history_of(problem, inputs),
        problem.label.season or 0,
        problem.label.steps or 0,
    )


def _not_measured(features: list[str]) -> list[NotMeasured]:
    if not features:
        return []
    reason = "not measured for this kind"
    return [NotMeasured(what="baseline models", features=features, reason=reason)]


def _learning_curve(
    spec: BaselineFitSpec,
    problem: Problem,
    splits: Mapping[str, Rows],
    outcomes: Mapping[str, Outcome],
) -> LearningCurve | None:
    if not spec.learning_curve or not problem.ports:
        return None

    def threshold(outcome: Outcome, labels: Array) -> float | None:
        point = _operating_point(spec, outcome, labels)
        return None if point is None else point.threshold

    metric = spec.metric or problem.kind.main_metric
    facts = _forecast_facts(spec, problem, splits["train"])
    setting = CurveSetting(metric, spec.confidence, threshold, facts)
    curve: LearningCurve | None = learning_curve(problem, splits, outcomes, setting)
    return curve


def _forecast_facts(spec: BaselineFitSpec, problem: Problem, train: Rows) -> ForecastFacts | None:
    """What MASE and the weighted quantile loss are measured by; None for other tasks."""
    levels, error = spec.problem.quantiles, None
    if not levels:
        return None
    if problem.history is not None and problem.season and len(train.labels):
        errors = seasonal_errors(problem.history, train.columns, train.labels, problem.season)
        error = float(errors.mean(dtype=np.float64))
    return ForecastFacts(quantiles=levels, seasonal_error=error)


def _read(
    spec: BaselineFitSpec,
    name: str,
    files: list[str],
    source: Source,
    rows: int,
    inputs: list[InputSpec],
) -> Rows:
    sample = sample_of(rows, spec.max_rows if name == "train" else spec.sample_rows, spec.seed)
    flags = drawn_flags(files, source.schema, sample)
    columns = load_columns(files, source, flags, _converters(inputs))
    labels = columns.pop(source.label)
    check_labels(spec.problem, labels, name)
    return Rows(columns, labels)


def _converters(inputs: list[InputSpec]) -> dict[str, Callable[[Array], Array]]:
    """What makes numbers of values of other shapes; values that no model takes are dropped."""
    converters: dict[str, Callable[[Array], Array]] = {}
    for port in inputs:
        if port.encoding.to_numbers is not None:
            converters[port.name] = port.encoding.to_numbers
        elif port.encoding.design is None:
            converters[port.name] = lambda values: np.zeros([len(values), 0], np.float32)
    return converters


def _operating_point(
    spec: BaselineFitSpec, outcome: Outcome, labels: Array
) -> OperatingPoint | None:
    """The threshold that is cheapest on val, as for the network; binary only."""
    if find_task(spec.problem.task).form != "binary":
        return None
    return choose_threshold(labels, outcome.scores["val"], spec.costs)
