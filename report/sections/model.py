"""What the report tells of the candidate: from evidence.json and what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from report.formats import title
from report.sources import Sources
from report.view import (
    Calibration,
    Confusion,
    Fairness,
    Folds,
    Gap,
    Group,
    Interval,
    Metric,
    Model,
    Part,
    Rival,
    Slice,
    Stress,
    Tone,
)

Raw = Mapping[str, Any]
_NONE = Interval()
_LOWER_IS_BETTER = frozenset({"log_loss", "rmse", "mae"})
_NEITHER = {"calibration": "1 is best"}
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


def model_of(sources: Sources) -> Model:
    """Gathers the candidate's part."""
    raw: Raw = sources.files.get("evidence") or {}
    stress: Raw = sources.files.get("stress") or {}
    metric = str(raw.get("metric") or stress.get("metric") or "")
    higher = bool(raw.get("higher_is_better", metric not in _LOWER_IS_BETTER))
    return Model(
        metric=metric,
        higher_is_better=higher,
        rows=raw.get("rows"),
        resamples=raw.get("resamples"),
        confidence=raw.get("confidence"),
        metrics=_metrics(sources, raw, metric),
        curves=_curves(sources, raw),
        confusion=_confusion(sources, raw),
        calibration=_calibration(sources, raw),
        slices=_slices(sources, raw, metric),
        baselines=_baselines(sources, raw),
        fairness=_fairness(sources, raw),
        robustness=_robustness(sources, raw.get("robustness") or stress.get("robustness")),
        importance=_importance(sources, raw.get("importance") or stress.get("importance")),
        cross_validation=_folds(sources, raw.get("cross_validation") or sources.files.get("folds")),
    )


def interval(raw: Raw | None) -> Interval:
    """The interval, an empty one for none: the report says n/a there."""
    return Interval.of(raw) or _NONE


def _metrics(sources: Sources, raw: Raw, main: str) -> Part[list[Metric]]:
    if raw.get("metrics"):
        found = [
            Metric(
                name=name,
                main=name == main,
                better=_better(name),
                candidate=interval(one.get("candidate")),
                baseline=Interval.of(one.get("baseline")),
                difference=Interval.of(one.get("difference")),
            )
            for name, one in raw["metrics"].items()
        ]
        return Part(sorted(found, key=lambda metric: not metric.main))
    plain = (sources.summary.get("candidate") or {}).get("metrics")
    if not plain:
        return Part(absent=sources.why_not("evidence"))
    before = (sources.summary.get("baseline") or {}).get("metrics") or {}
    return Part(
        [
            Metric(name, False, _better(name), Interval(value), _alone(before.get(name)), None)
            for name, value in plain.items()
            if isinstance(value, float) and name != "rows"
        ]
    )


def _alone(value: float | None) -> Interval | None:
    return None if value is None else Interval(value)


def _better(name: str) -> str:
    lower = "lower is better" if name in _LOWER_IS_BETTER else "higher is better"
    return _NEITHER.get(name, lower)


def _curves(sources: Sources, raw: Raw) -> Part[dict[str, dict[str, list[list[float]]]]]:
    curves = {kind: lines for kind, lines in (raw.get("curves") or {}).items() if lines}
    if curves:
        return Part(curves)
    return Part(absent=sources.why_not("evidence", "Not measured: a regression has no curves."))


def _confusion(sources: Sources, raw: Raw) -> Part[Confusion]:
    found = raw.get("confusion")
    if not found:
        otherwise = "Not measured: a regression has no confusion matrix."
        return Part(absent=sources.why_not("evidence", otherwise))
    return Part(Confusion([str(label) for label in found["labels"]], found["matrix"]))


def _calibration(sources: Sources, raw: Raw) -> Part[Calibration]:
    found = raw.get("calibration")
    if not found:
        otherwise = "Not measured: only probabilities can be calibrated."
        return Part(absent=sources.why_not("evidence", otherwise))
    bins = [one for one in found["bins"] if one.get("rows")]
    return Part(Calibration(bins, interval(found.get("error"))))


def _slices(sources: Sources, raw: Raw, metric: str) -> Part[list[Slice]]:
    entries = raw.get("slices")
    if not entries:
        otherwise = "Not measured: the config lists no slices (evaluation.slices), none was found."
        return Part(absent=sources.why_not("evidence", otherwise))
    found = [
        Slice(
            name=slice_name(one.get("slice")),
            source=str(one.get("source") or "config"),
            rows=int(one.get("rows") or 0),
            share=one.get("share"),
            insufficient=str(one.get("insufficient") or ""),
            metric=interval((one.get("metrics") or {}).get(metric)),
            gap=interval(one.get("gap")),
            change=interval(one.get("change")),
        )
        for one in entries
    ]
    return Part(sorted(found, key=_worst_first))


def _worst_first(one: Slice) -> tuple[bool, float, str]:
    gap = one.gap.value
    return (gap is None, -(gap or 0.0), one.name)


def slice_name(slice_: Raw | None) -> str:
    """`carrier = UA, origin = EWR`; the whole of test for none."""
    if not slice_:
        return "all rows"
    return ", ".join(f"{column} = {value}" for column, value in slice_.items())


def _baselines(sources: Sources, raw: Raw) -> Part[list[Rival]]:
    entries = raw.get("baselines")
    if not entries:
        otherwise = "Not measured: baseline models are off (evaluation.baselines.enabled)."
        return Part(absent=sources.why_not("evidence", otherwise))
    models = (sources.files.get("baselines") or {}).get("models") or {}
    return Part([_rival(one, models.get(one["name"]) or {}) for one in entries])


def _rival(raw: Raw, model: Raw) -> Rival:
    difference = interval(raw.get("difference"))
    verdict, tone = _judge(difference)
    metric = interval(raw.get("metric"))
    return Rival(str(raw["name"]), metric, difference, model.get("seconds"), verdict, tone)


def _judge(difference: Interval) -> tuple[str, Tone]:
    if difference.value is None:
        return "could not be compared", "none"
    if difference.low is not None and difference.low > 0:
        return "beaten", "good"
    if difference.high is not None and difference.high < 0:
        return "better than the candidate", "bad"
    return "no difference beyond chance", "warn"


def _fairness(sources: Sources, raw: Raw) -> Part[list[Fairness]]:
    entries = raw.get("fairness")
    if not entries:
        otherwise = (
            "Not measured: the config marks no sensitive column (evaluation.fairness.sensitive)."
        )
        return Part(absent=sources.why_not("evidence", otherwise))
    return Part([_sensitive(one) for one in entries])


def _sensitive(raw: Raw) -> Fairness:
    groups = [
        Group(
            value=str(one.get("value")),
            rows=int(one.get("rows") or 0),
            insufficient=str(one.get("insufficient") or ""),
            rates={rate: interval(one.get(rate)) for rate in RATES},
        )
        for one in raw.get("groups") or []
    ]
    gaps = [
        Gap(rate, interval(one), one.get("bound"), [str(value) for value in one.get("between", [])])
        for rate, one in (raw.get("gaps") or {}).items()
        if one
    ]
    return Fairness(str(raw["column"]), groups, gaps)


def _robustness(sources: Sources, entries: list[Raw] | None) -> Part[list[Stress]]:
    if not entries:
        otherwise = "Not measured: the config lists no stress (evaluation.stress)."
        return Part(absent=sources.why_not("stress", otherwise))
    return Part(
        [
            Stress(
                name=title(str(one["name"])),
                kind=str(one.get("kind") or ""),
                columns=", ".join(one.get("columns") or []) or "all that it applies to",
                metric=interval(one.get("metric")),
                drop=interval(one.get("drop")),
                bound=one.get("bound"),
                severity=str(one.get("severity") or ""),
            )
            for one in entries
        ]
    )


def _importance(sources: Sources, entries: list[Raw] | None) -> Part[list[tuple[str, Interval]]]:
    if not entries:
        otherwise = "Not measured: importance is off (evaluation.importance.enabled)."
        return Part(absent=sources.why_not("stress", otherwise))
    found = [(str(one["feature"]), interval(one.get("drop"))) for one in entries]
    return Part(sorted(found, key=lambda item: (-(item[1].value or 0.0), item[0])))


def _folds(sources: Sources, raw: Raw | None) -> Part[Folds]:
    if not raw:
        reason = "Not measured: cross-validation is off (evaluation.cross_validation)."
        stopped = sources.stopped_at() and sources.why_not("evidence")
        return Part(absent=stopped if stopped.startswith("Not measured: the run") else reason)
    names = list(raw.get("mean") or (raw["folds"][0] if raw.get("folds") else {}))
    return Part(
        Folds(
            metrics=names,
            folds=[[one.get(name) for name in names] for one in raw.get("folds") or []],
            mean=[(raw.get("mean") or {}).get(name) for name in names],
            deviation=[(raw.get("deviation") or {}).get(name) for name in names],
            rows=raw.get("rows"),
        )
    )
