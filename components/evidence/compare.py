"""One model beside another on the same rows: every metric, and the main one by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evaluator.config import EvaluationSpec
from components.evaluator.metric_names import metric_names
from components.evidence.bootstrap import Interval, bootstrap, interval, number
from components.evidence.groups import Groups, groups_of, whole
from components.evidence.measures import MAIN_METRIC, Outcome, measure, outcome_of, values, why_not
from components.evidence.search import Searched, search, worst
from components.evidence.significance import Losses, benjamini_hochberg
from components.evidence.slicing import Slice, configured
from components.evidence.trial import Trial, joined
from components.predictions.table import PredictionTable

Array = np.ndarray[Any, Any]
Json = dict[str, Any]


def main_metric(table: PredictionTable, spec: EvaluationSpec) -> str:
    """The metric that slices, baselines and stresses are told in."""
    return spec.metric or MAIN_METRIC[table.task]


def compare(
    table: PredictionTable,
    model: str,
    reference: str | None,
    spec: EvaluationSpec,
    seed: int,
    *,
    find: bool = True,
) -> Json:
    """Compares two models of `table` on its rows, overall and by slice.

    Args:
      table: The rows and what the models say of them.
      model: The model that is judged.
      reference: The model it is held against; None: there is none.
      spec: Slices, bounds, resamples and confidence.
      seed: Of the resamples.
      find: Whether to search for slices that the config does not list.

    Returns:
      `metrics` by name: an interval by model, and `difference` (model minus reference, in
      the metric's own unit; None without a reference). `slices`: each with its metrics,
      `gap` (the whole minus the slice) and `change` (reference minus model), both signed
      so that positive is worse.
    """
    outcomes = {name: outcome_of(table, name) for name in (model, reference) if name is not None}
    return {
        "metrics": overall_metrics(outcomes, model, reference, spec, seed),
        "slices": _slices(table, outcomes, (model, reference), spec, seed, find=find),
    }


def overall_metrics(
    outcomes: Mapping[str, Outcome],
    model: str,
    reference: str | None,
    spec: EvaluationSpec,
    seed: int,
) -> dict[str, Json]:
    """Gives every metric of the task on all rows, with intervals."""
    rows = len(outcomes[model].labels)
    names = metric_names(outcomes[model].task)
    measures = {
        (name, which): measure(name, outcome, whole(rows))
        for name in names
        for which, outcome in outcomes.items()
    }
    ones = np.ones((1, rows), np.uint8)
    points = {key: float(ready.at(ones)[0, 0]) for key, ready in measures.items()}
    drawn = bootstrap(measures, rows, spec.resamples, seed)

    def told(name: str) -> Json:
        entry: Json = {
            which: interval(points[name, which], drawn[name, which][:, 0], spec.confidence)
            for which in outcomes
        }
        entry["difference"] = None
        if reference is not None:
            apart = drawn[name, model] - drawn[name, reference]
            value = points[name, model] - points[name, reference]
            entry["difference"] = interval(value, apart[:, 0], spec.confidence)
        return entry

    return {name: told(name) for name in names}


@dataclass(frozen=True)
class _Judged:
    """Slices with enough rows, their losses, and the p and q values by kind of loss."""

    slices: Sequence[Slice]
    losses: Mapping[str, Losses]
    p: Mapping[str, Array]
    q: Mapping[str, Array]


def _slices(
    table: PredictionTable,
    outcomes: Mapping[str, Outcome],
    names: tuple[str, str | None],
    spec: EvaluationSpec,
    seed: int,
    *,
    find: bool,
) -> list[Json]:
    model, reference = names
    trial = Trial(
        main_metric(table, spec), outcomes[model], outcomes[reference] if reference else None
    )
    listed = configured(table.keys, spec) if table.rows else []
    reasons = _reasons(listed, trial, spec.min_slice_rows)
    usable = [one for one, reason in zip(listed, reasons, strict=True) if reason is None]
    wanted = find and spec.found_slices.enabled and table.rows > 0
    searched = search(table.keys, trial, spec) if wanted else None
    judged = _judge(usable, searched, trial, spec)
    told = iter(_told(judged, trial, spec, seed))
    entries = [
        next(told) if reason is None else _thin(one, reason, table.rows)
        for one, reason in zip(listed, reasons, strict=True)
    ]
    return entries + list(told)


def _reasons(listed: Sequence[Slice], trial: Trial, min_rows: int) -> list[str | None]:
    """Says by slice why it cannot be judged."""
    metric, groups = trial.metric, groups_of([one.rows for one in listed])
    said = why_not(metric, trial.model, groups)
    if trial.reference is not None:
        theirs = why_not(metric, trial.reference, groups)
        said = [ours or other for ours, other in zip(said, theirs, strict=True)]
    few = f"fewer than {min_rows} rows"
    return [
        few if len(one.rows) < min_rows else reason
        for one, reason in zip(listed, said, strict=True)
    ]


def _judge(
    listed: Sequence[Slice], searched: Searched | None, trial: Trial, spec: EvaluationSpec
) -> _Judged:
    """Tests every slice that was looked at, and keeps those of the config and the worst.

    The correction counts all of them: the worst of thousands is bad by chance alone.
    """
    parts = [trial.losses(groups_of([one.rows for one in listed]))]
    parts += [searched.losses] if searched else []
    everything = joined(parts)
    losses = {"gap": everything.gap}
    bounds = {"gap": spec.slice_gate.max_gap or 0.0, "change": spec.slice_gate.max_loss}
    if everything.change is not None:
        losses["change"] = everything.change
    p = {kind: found.p(bounds[kind]) for kind, found in losses.items()}
    q = {kind: benjamini_hochberg(values_of) for kind, values_of in p.items()}
    found = _worst(listed, searched, spec.found_slices.keep) if searched else []
    slices = [*listed, *(searched.slice_at(place) for place in found)] if searched else listed
    kept = np.array([*range(len(listed)), *(len(listed) + place for place in found)], np.intp)
    return _Judged(
        slices,
        {kind: some.take(kept) for kind, some in losses.items()},
        {kind: some[kept] for kind, some in p.items()},
        {kind: some[kept] for kind, some in q.items()},
    )


def _worst(listed: Sequence[Slice], searched: Searched, keep: int) -> list[int]:
    """Half of them by change where there is a reference, the others by gap."""
    change = searched.losses.change
    first = [] if change is None else worst(searched, change, (keep + 1) // 2, listed)
    taken = [*listed, *(searched.slice_at(place) for place in first)]
    return first + worst(searched, searched.losses.gap, keep - len(first), taken)


def _told(judged: _Judged, trial: Trial, spec: EvaluationSpec, seed: int) -> list[Json]:
    """Tells each slice as JSON; intervals are the bootstrap's."""
    rows = len(trial.model.labels)
    groups = groups_of([one.rows for one in judged.slices])
    points = {name: values(name, trial.model, groups) for name in metric_names(trial.model.task)}
    drawn = _resampled(trial, groups, spec.resamples, seed)

    def loss(kind: str, place: int) -> Json | None:
        if kind not in judged.losses:
            return None
        value = judged.losses[kind].value[place]
        told: Json = dict(interval(value, drawn[kind][:, place], spec.confidence))
        told["p"], told["q"] = number(judged.p[kind][place]), number(judged.q[kind][place])
        return told

    def metrics(place: int) -> dict[str, Interval]:
        main = drawn["main"][:, place]
        told = {trial.metric: interval(points[trial.metric][place], main, spec.confidence)}
        others = (name for name in points if name != trial.metric)
        bare: Interval = {"low": None, "high": None}
        return told | {name: {"value": number(points[name][place]), **bare} for name in others}

    return [
        {
            **_head(one, rows),
            "insufficient": None,
            "metrics": metrics(place),
            "gap": loss("gap", place),
            "change": loss("change", place),
        }
        for place, one in enumerate(judged.slices)
    ]


def _resampled(trial: Trial, groups: Groups, resamples: int, seed: int) -> dict[str, Array]:
    """The main metric by slice, and the losses, on every resample."""
    rows = len(trial.model.labels)
    measures = {
        "whole": measure(trial.metric, trial.model, whole(rows)),
        "main": measure(trial.metric, trial.model, groups),
    }
    if trial.reference is not None:
        measures["reference"] = measure(trial.metric, trial.reference, groups)
    drawn = bootstrap(measures, rows, resamples, seed)
    drawn["gap"] = trial.sign * (drawn["whole"] - drawn["main"])
    if "reference" in drawn:
        drawn["change"] = trial.sign * (drawn["reference"] - drawn["main"])
    return drawn


def _head(one: Slice, rows: int) -> Json:
    share = len(one.rows) / rows
    return {"slice": dict(one.key), "source": one.source, "rows": len(one.rows), "share": share}


def _thin(one: Slice, reason: str, rows: int) -> Json:
    empty: Json = {"metrics": {}, "gap": None, "change": None}
    return {**_head(one, rows), "insufficient": reason, **empty}
