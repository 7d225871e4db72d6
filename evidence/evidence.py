"""The evidence for and against a candidate, from predictions alone: `evidence.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.errors import ModelError
from contracts.results.evidence import BaselineEvidence, Decisions, Evidence, Gain
from contracts.results.sample import SampledRows
from evidence.bootstrap import Draws, bootstrap, interval, number
from evidence.calibration import calibration
from evidence.compare import compare, draws_of, main_metric
from evidence.config import EvaluationSpec
from evidence.curves import confusion, curves
from evidence.fairness import fairness
from evidence.groups import whole
from evidence.horizon import forecast_evidence
from evidence.measures import Outcome, measure, outcome_of, sign_of
from evidence.permutation import LEVEL, MOST_ROWS, chance_of_luck
from evidence.prediction_table import BASELINE, CANDIDATE, MAJORITY, PredictionTable
from evidence.trial import gain, why_no_gain
from models.tasks import find_task


def evidence(
    table: PredictionTable,
    baseline_scores: Mapping[str, Array],
    spec: EvaluationSpec,
    seed: int,
    cluster_columns: Sequence[str] = (),
    *,
    baseline_thresholds: Mapping[str, float] | None = None,
) -> Evidence:
    """Gives all that the predictions say of the candidate.

    Args:
      table: The rows of test with the predictions of `candidate` and perhaps `baseline`.
      baseline_scores: Predictions of the baseline models on the same rows.
      baseline_thresholds: The baselines' own operating thresholds; binary only.
      spec: What is asked.
      seed: Of the resamples; the same one gives the same evidence.
      cluster_columns: Columns whose equal values mark rows that depend on each other, such as
        those that the split keeps together: every interval and p value accounts for it.

    Returns:
      The evidence without robustness, importance and cross-validation. A figure that
      cannot be computed is None.

    Raises:
      ModelError: there is nothing to judge by.
    """
    _check(table, baseline_scores)
    reference = BASELINE if BASELINE in table.scores else None
    outcomes = {name: outcome_of(table, name) for name in (CANDIDATE, reference) if name}
    candidate = outcomes[CANDIDATE]
    draws = draws_of(table, spec, seed, cluster_columns)
    compared = compare(table, CANDIDATE, reference, spec, seed, cluster_columns=cluster_columns)
    with_baselines = table.with_models(baseline_scores, baseline_thresholds or {})
    sliced = [column for group in spec.slices for column in group]
    return Evidence(
        **_asked(table, spec, seed, cluster_columns),
        metrics=compared.metrics,
        slices=compared.slices,
        curves=curves(table, outcomes),
        confusion=confusion(table, candidate),
        decisions=decisions(table, candidate),
        calibration=calibration(candidate, spec.calibration.bins, spec.confidence, draws),
        baselines=against_baselines(with_baselines, list(baseline_scores), spec, draws),
        fairness=fairness(table, candidate, spec, draws),
        forecast=forecast_evidence(table, baseline_scores, spec.confidence, draws, sliced),
        sampled=_sampled(table),
    )


def _asked(
    table: PredictionTable, spec: EvaluationSpec, seed: int, cluster_columns: Sequence[str]
) -> dict[str, Any]:
    """What was asked, and of how many rows."""
    metric = main_metric(table, spec)
    return {
        "task": table.task,
        "metric": metric,
        "higher_is_better": sign_of(table.task, metric) > 0,
        "rows": table.rows,
        "resamples": spec.resamples,
        "confidence": spec.confidence,
        "seed": seed,
        "cluster_columns": list(cluster_columns),
    }


def _sampled(table: PredictionTable) -> list[SampledRows]:
    if table.all_rows is None:
        return []
    what = "intervals, slices, fairness and comparisons on test"
    return [SampledRows(what=what, rows=table.rows, all_rows=table.all_rows)]


def decisions(table: PredictionTable, outcome: Outcome) -> Decisions | None:
    """How many rows the candidate calls positive at its threshold; None unless binary."""
    if find_task(table.task).form != "binary":
        return None
    return Decisions(
        threshold=0.5 if outcome.threshold is None else outcome.threshold,
        positive=str(table.classes[1]),
        rows=table.rows,
        called=int(outcome.decisions.sum()),
        positives=int((outcome.labels == 1).sum()),
    )


def against_baselines(
    table: PredictionTable, baselines: Sequence[str], spec: EvaluationSpec, draws: Draws
) -> list[BaselineEvidence]:
    """Gives how much better the candidate is than each baseline model (positive is good).

    Args:
      table: The rows of test with the predictions of the candidate and the baselines.
      baselines: The baselines' names in `table`.
      spec: The metric and the confidence.
      draws: The resamples.

    Where the interval of the gain over the constant guess is above zero and its p value is not
    small, a few rows may hold most of the error: then a permutation test is asked as well.
    """
    metric = main_metric(table, spec)
    sign = sign_of(table.task, metric)
    outcomes = {name: outcome_of(table, name) for name in (CANDIDATE, *baselines)}
    measures = {
        name: measure(metric, outcome, whole(table.rows)) for name, outcome in outcomes.items()
    }
    ones = np.ones((1, table.rows), np.uint8)
    points = {name: float(ready.at(ones)[0, 0]) for name, ready in measures.items()}
    drawn = bootstrap(measures, draws) if baselines else {}

    def against(name: str) -> BaselineEvidence:
        better, p = gain(metric, outcomes[CANDIDATE], outcomes[name], draws.clusters)
        gains = sign * (drawn[CANDIDATE] - drawn[name])[:, 0]
        difference = interval(better, gains, spec.confidence)
        unsure = p >= LEVEL and (difference.low or 0) > 0
        shuffled = draws.clusters is None and table.rows <= MOST_ROWS
        if name == MAJORITY and unsure and shuffled:
            p = min(p, chance_of_luck(metric, outcomes[CANDIDATE], draws.seed))
        return BaselineEvidence(
            name=name,
            metric=interval(points[name], drawn[name][:, 0], spec.confidence),
            difference=Gain(**difference.ends(), p=number(p)),
            insufficient=why_no_gain(metric, outcomes[CANDIDATE], outcomes[name], draws.clusters),
        )

    return [against(name) for name in baselines]


def _check(table: PredictionTable, baseline_scores: Mapping[str, Array]) -> None:
    if not table.rows:
        raise ModelError(
            "split 'test' has no rows",
            where="ModelGate",
            fix="give the split a larger share, or bring more data",
        )
    for name, scores in baseline_scores.items():
        if len(scores) != table.rows:
            raise ModelError(
                f"the baseline model {name!r} was asked about other rows than the candidate",
                where="ModelGate",
                expected=f"{table.rows:,} rows",
                received=f"{len(scores):,} rows",
                fix="run again: one of the two came from an older split",
            )
