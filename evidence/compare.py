"""One model beside another on the same rows: every metric, and the main one by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evidence.bootstrap import Draws, Interval, Resampling, bootstrap, interval, number
from evidence.clusters import clusters_of
from evidence.config import EvaluationSpec
from evidence.groups import Groups, groups_of, whole
from evidence.measures import (
    MAIN_METRIC,
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

Array = np.ndarray[Any, Any]
Json = dict[str, Any]

_RARE = "too few rows: many resamples cannot compute it"


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
    together: Sequence[str] = (),
) -> Json:
    """Compares two models of `table` on its rows, overall and by slice.

    Args:
      table: The rows and what the models say of them.
      model: The model that is judged.
      reference: The model it is held against; None: there is none.
      spec: Slices, bounds, resamples and confidence.
      seed: Of the resamples.
      find: Whether to search for slices that the config does not list.
      together: Columns whose equal values mark rows that depend on each other.

    Returns:
      `metrics` by name: an interval by model, and `difference` (model minus reference, in
      the metric's own unit; None without a reference). `slices`: each with its metrics,
      `gap` (the whole minus the slice) and `change` (reference minus model), both signed
      so that positive is worse.
    """
    outcomes = {name: outcome_of(table, name) for name in (model, reference) if name is not None}
    draws = draws_of(table, spec, seed, together)
    other = None if reference is None else outcomes[reference]
    trial = Trial(main_metric(table, spec), outcomes[model], other, draws.clusters)
    return {
        "metrics": overall_metrics(outcomes, model, reference, spec.confidence, draws),
        "slices": _slices(table, trial, spec, draws, find=find),
    }


def draws_of(
    table: PredictionTable, spec: EvaluationSpec, seed: int, together: Sequence[str]
) -> Draws:
    """Gives the resamples of a table; rows alike in `together` are drawn together."""
    return Draws(table.rows, spec.resamples, seed, clusters_of(table.keys, together))


def overall_metrics(
    outcomes: Mapping[str, Outcome],
    model: str,
    reference: str | None,
    confidence: float,
    draws: Draws,
) -> dict[str, Json]:
    """Gives every metric of the task on all rows, with intervals."""
    names = metric_names(outcomes[model].task)
    keys = [(name, which) for name in names for which in outcomes]
    points, drawn = _all_rows(keys, outcomes, draws)

    def told(name: str) -> Json:
        entry: Json = {
            which: interval(points[name, which], drawn[name, which], confidence)
            for which in outcomes
        }
        entry["difference"] = None
        if reference is not None:
            apart = drawn[name, model] - drawn[name, reference]
            value = points[name, model] - points[name, reference]
            entry["difference"] = interval(value, apart, confidence)
        return entry

    return {name: told(name) for name in names}


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

    def by_key(found: Mapping[Any, Array]) -> dict[tuple[str, str], Array]:
        together = {key: found[None][:, place] for place, key in enumerate(summed)}
        return together | {key: found[key][:, 0] for key in found if key is not None}

    ones = np.ones((1, rows), np.uint8)
    points = by_key({key: one.at(ones) for key, one in ready.items()})
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
) -> list[Json]:
    listed = configured(table.keys, spec) if table.rows else []
    reasons = _reasons(listed, trial, spec.min_slice_rows)
    usable = [one for one, reason in zip(listed, reasons, strict=True) if reason is None]
    wanted = find and spec.found_slices.enabled and table.rows > 0
    searched = search(table.keys, trial, spec) if wanted else None
    judged = _judge(usable, searched, trial, spec)
    told = iter(_told(judged, trial, spec.confidence, draws))
    entries = [
        next(told) if reason is None else _thin(one, reason, table.rows)
        for one, reason in zip(listed, reasons, strict=True)
    ]
    return entries + [entry for entry in told if entry["insufficient"] is None]


def _reasons(listed: Sequence[Slice], trial: Trial, min_rows: int) -> list[str | None]:
    """Says by slice why it cannot be judged."""
    said = trial.why_not(groups_of([one.rows for one in listed]))
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
    found: list[Taken] = []
    if searched is not None:
        level = 1 - spec.confidence
        came = {
            kind: verdicts(some, p[kind], q[kind], bounds[kind], level)
            for kind, some in losses.items()
        }
        found = _worst(listed, came, searched, spec.found_slices.keep)
    kept = np.array([*range(len(listed)), *(one.place for one in found)], np.intp)
    return _Judged(
        [*listed, *(one.slice for one in found)],
        {kind: some.take(kept) for kind, some in losses.items()},
        {kind: some[kept] for kind, some in p.items()},
        {kind: some[kept] for kind, some in q.items()},
    )


def _worst(
    listed: Sequence[Slice], came: Mapping[str, Verdicts], searched: Searched, keep: int
) -> list[Taken]:
    """Half of them by change where there is a reference, the others by gap."""
    found: list[Taken] = []
    for kind, most in (("change", (keep + 1) // 2), ("gap", keep)):
        if kind not in came:
            continue
        told = [came[kind].at(place, one) for place, one in enumerate(listed)]
        told += [came[kind].at(one.place, one.slice) for one in found]
        found += worst(searched, came[kind], most - len(found), told)
    return found


def _told(judged: _Judged, trial: Trial, confidence: float, draws: Draws) -> list[Json]:
    """Tells each slice as JSON; intervals are the bootstrap's."""
    rows = len(trial.model.labels)
    groups = groups_of([one.rows for one in judged.slices])
    points = {name: values(name, trial.model, groups) for name in metric_names(trial.model.task)}
    drawn = _resampled(trial, groups, draws)

    def loss(kind: str, place: int) -> Json | None:
        if kind not in judged.losses:
            return None
        value = judged.losses[kind].value[place]
        told: Json = dict(interval(value, drawn[kind][:, place], confidence))
        told["p"], told["q"] = number(judged.p[kind][place]), number(judged.q[kind][place])
        return told

    def metrics(place: int) -> dict[str, Interval]:
        main = drawn["main"][:, place]
        told = {trial.metric: interval(points[trial.metric][place], main, confidence)}
        others = (name for name in points if name != trial.metric)
        bare: Interval = {"low": None, "high": None}
        return told | {name: {"value": number(points[name][place]), **bare} for name in others}

    def told(place: int, one: Slice) -> Json:
        gap, change = loss("gap", place), loss("change", place)
        if any(some is not None and some["low"] is None for some in (gap, change)):
            return _thin(one, _RARE, rows)
        entry: Json = {**_head(one, rows), "insufficient": None, "metrics": metrics(place)}
        return {**entry, "gap": gap, "change": change}

    return [told(place, one) for place, one in enumerate(judged.slices)]


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


def _head(one: Slice, rows: int) -> Json:
    share = len(one.rows) / rows
    return {"slice": dict(one.key), "source": one.source, "rows": len(one.rows), "share": share}


def _thin(one: Slice, reason: str, rows: int) -> Json:
    empty: Json = {"metrics": {}, "gap": None, "change": None}
    return {**_head(one, rows), "insufficient": reason, **empty}
