"""One model beside another on the same rows: every metric, and the main one by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.results.evidence import Interval, Loss, MetricEvidence, SliceEvidence
from evidence.bootstrap import Draws, Resampling, bootstrap, interval, number
from evidence.clusters import clusters_of
from evidence.config import EvaluationSpec
from evidence.groups import Groups, groups_of, whole
from evidence.measures import (
    NOT_SUMMED,
    Outcome,
    figure,
    measure,
    outcome_of,
    values,
)
from evidence.metric_names import metric_names
from evidence.moments import Stacked
from evidence.prediction_table import PredictionTable
from evidence.search import Searched, Taken, Verdicts, search, verdicts, worst
from evidence.significance import Losses, benjamini_hochberg
from evidence.slicing import Slice, configured
from evidence.trial import Trial, joined
from models.tasks import find_task

_RARE = "too few rows: many resamples cannot compute it"


def main_metric(table: PredictionTable, spec: EvaluationSpec) -> str:
    """The metric that slices, baselines and stresses are judged by."""
    return spec.metric or find_task(table.task).main_metric


@dataclass(frozen=True)
class Comparison:
    """One model compared with another on the same rows.

    Attributes:
      metrics: By name; `candidate` is the model that is judged, `baseline` the reference.
      slices: Positive gaps (the whole minus the slice) and changes (reference minus model)
        are worse.
    """

    metrics: dict[str, MetricEvidence]
    slices: list[SliceEvidence]


def compare(
    table: PredictionTable,
    model: str,
    reference: str | None,
    spec: EvaluationSpec,
    seed: int,
    *,
    find: bool = True,
    cluster_columns: Sequence[str] = (),
) -> Comparison:
    """Compares two models of `table` on its rows, overall and by slice.

    Args:
      table: The rows and what the models say of them.
      model: The model that is judged.
      reference: The model it is compared with; None without one.
      spec: Slices, bounds, resamples and confidence.
      seed: Of the resamples.
      find: Whether to search for slices that the config does not list.
      cluster_columns: Columns whose equal values mark rows that depend on each other.
    """
    outcomes = {name: outcome_of(table, name) for name in (model, reference) if name is not None}
    draws = draws_of(table, spec, seed, cluster_columns)
    other = None if reference is None else outcomes[reference]
    trial = Trial(main_metric(table, spec), outcomes[model], other, draws.clusters)
    return Comparison(
        overall_metrics(outcomes, model, reference, spec.confidence, draws),
        _slices(table, trial, spec, draws, find=find),
    )


def draws_of(
    table: PredictionTable, spec: EvaluationSpec, seed: int, cluster_columns: Sequence[str]
) -> Draws:
    """Gives the resamples of a table; rows alike in `cluster_columns` are drawn together."""
    clusters = clusters_of(table.keys, cluster_columns, spec.block_length)
    return Draws(table.rows, spec.resamples, seed, clusters)


def overall_metrics(
    outcomes: Mapping[str, Outcome],
    model: str,
    reference: str | None,
    confidence: float,
    draws: Draws,
) -> dict[str, MetricEvidence]:
    """Gives every metric of the task on all rows, with intervals."""
    names = metric_names(outcomes[model].task)
    keys = [(name, which) for name in names for which in outcomes]
    points, drawn = _all_rows(keys, outcomes, draws)

    def compared(name: str) -> MetricEvidence:
        own = interval(points[name, model], drawn[name, model], confidence)
        if reference is None:
            return MetricEvidence(candidate=own)
        value = points[name, model] - points[name, reference]
        differences = drawn[name, model] - drawn[name, reference]
        return MetricEvidence(
            candidate=own,
            baseline=interval(points[name, reference], drawn[name, reference], confidence),
            difference=interval(value, differences, confidence),
        )

    return {name: compared(name) for name in names}


def _all_rows(
    keys: Sequence[tuple[str, str]], outcomes: Mapping[str, Outcome], draws: Draws
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], Array]]:
    """Metrics of models on all rows: their values, and those on every resample."""
    rows = len(next(iter(outcomes.values())).labels)
    summed = [key for key in keys if key[0] not in NOT_SUMMED]
    ready: dict[Any, Resampling] = {
        key: measure(key[0], outcomes[key[1]], whole(rows)) for key in keys if key not in summed
    }
    ready[None] = Stacked([figure(name, outcomes[which]) for name, which in summed])

    def by_key(values: Mapping[Any, Array]) -> dict[tuple[str, str], Array]:
        stacked = {key: values[None][:, place] for place, key in enumerate(summed)}
        return stacked | {key: values[key][:, 0] for key in values if key is not None}

    ones = np.ones((1, rows), np.uint8)
    points = by_key({key: resampling.at(ones) for key, resampling in ready.items()})
    drawn = by_key(bootstrap(ready, draws))
    return {key: float(value[0]) for key, value in points.items()}, drawn


@dataclass(frozen=True)
class _Judged:
    """Slices with enough rows, their losses, and the p and q values by kind of loss."""

    slices: Sequence[Slice]
    losses: Mapping[str, Losses]
    p: Mapping[str, Array]
    q: Mapping[str, Array]


def _slices(
    table: PredictionTable, trial: Trial, spec: EvaluationSpec, draws: Draws, *, find: bool
) -> list[SliceEvidence]:
    listed = configured(table.keys, spec) if table.rows else []
    reasons = _reasons(listed, trial, spec.min_slice_rows)
    usable = [slice_ for slice_, reason in zip(listed, reasons, strict=True) if reason is None]
    wanted = find and spec.found_slices.enabled and table.rows > 0
    searched = search(table.keys, trial, spec) if wanted else None
    judged = _judge(usable, searched, trial, spec)
    entries = iter(_slice_entries(judged, trial, spec.confidence, draws))
    of_config = [
        next(entries) if reason is None else _thin_entry(slice_, reason, table.rows)
        for slice_, reason in zip(listed, reasons, strict=True)
    ]
    return of_config + [entry for entry in entries if entry.insufficient is None]


def _reasons(listed: Sequence[Slice], trial: Trial, min_rows: int) -> list[str | None]:
    """Says by slice why it cannot be judged."""
    reasons = trial.why_not(groups_of([slice_.rows for slice_ in listed]))
    few = f"fewer than {min_rows} rows"
    return [
        few if len(slice_.rows) < min_rows else reason
        for slice_, reason in zip(listed, reasons, strict=True)
    ]


def _judge(
    listed: Sequence[Slice], searched: Searched | None, trial: Trial, spec: EvaluationSpec
) -> _Judged:
    """Tests every slice that was looked at, and keeps those of the config and the worst.

    The correction counts all of them: the worst of thousands is bad by chance alone.
    """
    parts = [trial.losses(groups_of([slice_.rows for slice_ in listed]))]
    parts += [searched.losses] if searched else []
    everything = joined(parts)
    losses = {"gap": everything.gap}
    bounds = {"gap": spec.slice_gate.max_gap or 0.0, "change": spec.slice_gate.max_loss}
    if everything.change is not None:
        losses["change"] = everything.change
    p = {kind: tested.p(bounds[kind]) for kind, tested in losses.items()}
    q = {kind: benjamini_hochberg(p_values) for kind, p_values in p.items()}
    found: list[Taken] = []
    if searched is not None:
        level = 1 - spec.confidence
        tests = {
            kind: verdicts(tested, p[kind], q[kind], bounds[kind], level)
            for kind, tested in losses.items()
        }
        found = _worst(listed, tests, searched, spec.found_slices.keep)
    kept = np.array([*range(len(listed)), *(taken.place for taken in found)], np.intp)
    return _Judged(
        [*listed, *(taken.slice for taken in found)],
        {kind: tested.take(kept) for kind, tested in losses.items()},
        {kind: p_values[kept] for kind, p_values in p.items()},
        {kind: q_values[kept] for kind, q_values in q.items()},
    )


def _worst(
    listed: Sequence[Slice], tests: Mapping[str, Verdicts], searched: Searched, keep: int
) -> list[Taken]:
    """Half of them by change where there is a reference, the others by gap."""
    found: list[Taken] = []
    for kind, most in (("change", (keep + 1) // 2), ("gap", keep)):
        if kind not in tests:
            continue
        taken = [tests[kind].at(place, slice_) for place, slice_ in enumerate(listed)]
        taken += [tests[kind].at(earlier.place, earlier.slice) for earlier in found]
        found += worst(searched, tests[kind], most - len(found), taken)
    return found


def _slice_entries(
    judged: _Judged, trial: Trial, confidence: float, draws: Draws
) -> list[SliceEvidence]:
    """Gives each slice with its metrics and losses; intervals are the bootstrap's."""
    rows = len(trial.model.labels)
    groups = groups_of([slice_.rows for slice_ in judged.slices])
    points = {name: values(name, trial.model, groups) for name in metric_names(trial.model.task)}
    drawn = _resampled(trial, groups, draws)

    def loss(kind: str, place: int) -> Loss | None:
        if kind not in judged.losses:
            return None
        value = judged.losses[kind].value[place]
        ends = interval(value, drawn[kind][:, place], confidence)
        p, q = number(judged.p[kind][place]), number(judged.q[kind][place])
        return Loss(**dict(ends), p=p, q=q)

    def metrics(place: int) -> dict[str, Interval]:
        main = interval(points[trial.metric][place], drawn["main"][:, place], confidence)
        others = (name for name in points if name != trial.metric)
        bare = {name: Interval(value=number(points[name][place])) for name in others}
        return {trial.metric: main, **bare}

    def entry(place: int, slice_: Slice) -> SliceEvidence:
        gap, change = loss("gap", place), loss("change", place)
        if any(some is not None and some.low is None for some in (gap, change)):
            return _thin_entry(slice_, _RARE, rows)
        head = _thin_entry(slice_, None, rows)
        return head.model_copy(update={"metrics": metrics(place), "gap": gap, "change": change})

    return [entry(place, slice_) for place, slice_ in enumerate(judged.slices)]


def _resampled(trial: Trial, groups: Groups, draws: Draws) -> dict[str, Array]:
    """The main metric by slice, and the losses, on every resample."""
    rows = len(trial.model.labels)
    measures = {
        "whole": measure(trial.metric, trial.model, whole(rows)),
        "main": measure(trial.metric, trial.model, groups),
    }
    if trial.reference is not None:
        measures["reference"] = measure(trial.metric, trial.reference, groups)
    drawn = bootstrap(measures, draws)
    drawn["gap"] = trial.sign * (drawn["whole"] - drawn["main"])
    if "reference" in drawn:
        drawn["change"] = trial.sign * (drawn["reference"] - drawn["main"])
    return drawn


def _thin_entry(slice_: Slice, reason: str | None, rows: int) -> SliceEvidence:
    """A slice without its figures."""
    return SliceEvidence(
        slice=dict(slice_.key),
        source=slice_.source,
        rows=len(slice_.rows),
        share=len(slice_.rows) / rows,
        insufficient=reason,
    )
