"""Which charts a report has: from its parts to drawings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from contracts.results.advice import LearningCurve
from contracts.results.audit import FeaturePower
from contracts.results.evidence import RATES, Curves, FairnessEvidence, Interval, SliceEvidence
from report.charts import plots, svg
from report.charts.forecasts import example_charts, horizon_charts
from report.charts.plots import Axis, Line, Mark
from report.charts.scatter import Cloud, Point, outside, scatter
from report.charts.svg import Chart
from report.formats import metric_title, number, size, title
from report.sections.model import slice_name
from report.variants_view import Variant, Variants
from report.view import Model, Report, Training

T = TypeVar("T")
_MOST = 24
_PANEL = 12
_CURVES = 6
_COLOURS = (svg.FIRST, svg.SECOND, svg.THIRD, svg.FOURTH, svg.FIFTH, svg.MUTED)
_NOT_METRICS = ("epoch", "seconds", "learning_rate", "gradient_norm")
_COSTS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("bytes", "bytes", "bytes on disk", size),
    ("p50_ms", "latency", "time of one row with its preparation (float32: 1x)", "{:g}x".format),
)
_CURVE_AXES = {
    "roc": ("ROC curve", "false positive rate", "true positive rate"),
    "pr": ("Precision-recall curve", "recall", "precision"),
}


def charts_of(report: Report) -> dict[str, list[Chart]]:
    """Draws all charts, by the section they belong to."""
    model = report.model
    training = report.training.content
    advised, forecast = report.advice.content, model.forecast.content
    return {
        "advice": list(_learning_curve(advised.curve)) if advised and advised.curve else [],
        "training": list(_training(training)) if training else [],
        "curves": list(_curves(model.curves.content or {})),
        "calibration": list(_calibration(model)),
        "horizon": list(horizon_charts(forecast)) if forecast else [],
        "forecasts": list(example_charts(forecast)) if forecast else [],
        "slices": list(_slices(model)),
        "leaderboard": list(_leaderboard(model)),
        "variants": list(_variants(report.variants.content)),
        "fairness": [
            chart
            for place, one in enumerate(model.fairness.content or [])
            for chart in _fairness(one, place)
        ],
        "robustness": list(_robustness(model)),
        "importance": list(_importance(model)),
        "leakage": list(_leakage(report.data.leakage.content or [])),
    }


def _learning_curve(curve: LearningCurve) -> Iterator[Chart]:
    heading = metric_title(curve.metric)
    alt = f"{heading} of the {curve.model} by rows of train, with what twice the rows would give"
    points = [_mark(str(point.rows), point.metric) for point in curve.points]
    band = [_mark(str(point.rows), point.metric) for point in curve.law]
    places = [point.rows for point in curve.points], [point.rows for point in curve.law]
    drawn = plots.growth(
        "learning-curve",
        alt,
        (places[0], points),
        (places[1], band),
        heading,
        float(curve.train_rows),
    )
    yield Chart("", drawn)


def _training(training: Training) -> Iterator[Chart]:
    history = training.report.history
    if not history:
        return
    names = dict.fromkeys(name for entry in history for name in entry)
    metrics = [name for name in names if name not in _NOT_METRICS and not name.startswith("val_")]
    for name in sorted(metrics, key=lambda name: name != "loss"):
        shown = [_history_line("train", history, name, svg.SECOND)]
        if f"val_{name}" in names:
            shown.append(_history_line("val", history, f"val_{name}", svg.FIRST))
        yield _epochs(name, metric_title(name), shown, training.report.best_epoch)
    for name, colour in (("learning_rate", svg.THIRD), ("gradient_norm", svg.THIRD)):
        if name in names:
            yield _epochs(name, title(name), [_history_line(name, history, name, colour)], None)


def _history_line(label: str, history: Sequence[Mapping[str, Any]], name: str, colour: str) -> Line:
    epochs = [entry.get("epoch", place + 1) for place, entry in enumerate(history)]
    values = [entry.get(name) for entry in history]
    return Line(label, epochs, values, colour, dashed=label == "train", points=True)


def _epochs(name: str, heading: str, shown: Sequence[Line], best: int | None) -> Chart:
    alt = f"{heading} by epoch" + (f"; the best epoch is {best}" if best else "")
    safe = re.sub(r"[^A-Za-z0-9]", "-", name)
    mark = None if best is None else float(best)
    drawn = plots.lines(f"training-{safe}", alt, shown, Axis("epoch"), Axis(), mark=mark)
    return Chart(
        heading, drawn, f"Dashed upright: epoch {best}, whose weights were kept." if best else ""
    )


def _curves(curves: Curves) -> Iterator[Chart]:
    for kind, (heading, x, y) in _CURVE_AXES.items():
        named = curves.get(kind) or {}
        if not named:
            continue
        order = sorted(named, key=lambda name: (name != "candidate", name != "baseline"))[:_CURVES]
        shown = [
            Line(
                name,
                [point[0] for point in named[name]],
                [point[1] for point in named[name]],
                _COLOURS[place],
                dashed=place % 2 == 1,
            )
            for place, name in enumerate(order)
        ]
        drawn = plots.lines(
            f"curve-{kind}",
            f"{heading} of {', '.join(order)}",
            shown,
            Axis(x, 0, 1.005),
            Axis(y, 0, 1.02),
            diagonal=kind == "roc",
            height=310,
        )
        rest = len(named) - len(order)
        yield Chart(heading, drawn, f"{rest} more classes are not drawn." if rest else "")


def _calibration(model: Model) -> Iterator[Chart]:
    found = model.calibration.content
    if found and found.bins:
        alt = "Reliability diagram: predicted probabilities against observed shares"
        drawn = plots.reliability("reliability", alt, found.bins)
        note = "On the diagonal, a probability is worth its face value."
        yield Chart("Reliability diagram", drawn, note)


def _slices(model: Model) -> Iterator[Chart]:
    judged = [
        _mark(
            slice_name(entry.slice), interval, _slice_colour(entry, 1 - (model.confidence or 0.95))
        )
        for entry in model.slices.content or []
        if (interval := entry.metrics.get(model.metric)) and interval.value is not None
    ]
    whole = _main(model).value
    heading = metric_title(model.metric)
    yield from _panels(
        "slices",
        f"The worst slices by {heading}",
        judged[:_MOST],
        f"{heading} (dashed: all rows)",
        whole,
        "Red: worse than all rows beyond chance.",
    )


def _panels(
    name: str,
    heading: str,
    marks: Sequence[Mark],
    label: str,
    reference: float | None,
    note: str = "",
) -> Iterator[Chart]:
    """One forest, or several of the same scale that stand beside each other."""
    if not marks:
        return
    axis = _common(marks, label, reference)
    for start, part in _parts(marks):
        place = f", {start + 1} to {start + len(part)}" if len(part) < len(marks) else ""
        drawn = plots.forest(f"{name}-{start}", f"{heading}{place}", part, axis, reference)
        yield Chart(f"{heading}{place}", drawn, note)


def _parts(rows: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    """Parts of about the same size, with the place at which each begins."""
    if rows:
        size = -(-len(rows) // -(-len(rows) // _PANEL))
        for start in range(0, len(rows), size):
            yield start, rows[start : start + size]


def _common(marks: Sequence[Mark], label: str, reference: float | None) -> Axis:
    ends = [end for mark in marks for end in (mark.value, mark.low, mark.high) if end is not None]
    if reference is not None:
        ends.append(reference)
    margin = 0.05 * (max(ends) - min(ends)) or 0.05 * abs(max(ends)) or 1.0
    letters = max(len(mark.label) for mark in marks)
    return Axis(label, min(ends) - margin, max(ends) + margin, letters)


def _main(model: Model) -> Interval:
    """The candidate's main metric; an empty interval where it was not measured."""
    metrics = model.metrics.content or []
    return next((metric.figures.candidate for metric in metrics if metric.main), Interval())


def _slice_colour(entry: SliceEvidence, level: float) -> str:
    gap = entry.gap
    beyond = gap is not None and gap.q is not None and gap.q < level and (gap.value or 0) > 0
    return svg.BAD if beyond else svg.FIRST


def _mark(label: str, interval: Interval, colour: str = svg.FIRST) -> Mark:
    return Mark(label, interval.value or 0.0, interval.low, interval.high, colour)


def _leaderboard(model: Model) -> Iterator[Chart]:
    leaders = [one for one in model.leaderboard.content or [] if one.metric.value is not None]
    main = _main(model)
    if len(leaders) < 2 or main.value is None:
        return
    marks = [_mark(one.name, one.metric, svg.FIRST if one.own else svg.SECOND) for one in leaders]
    heading = metric_title(model.metric)
    alt = f"{heading} of {', '.join(one.name for one in leaders)}, the best first"
    yield Chart("", plots.forest("leaderboard", alt, marks, Axis(heading), main.value))


def _variants(found: Variants | None) -> Iterator[Chart]:
    if found is None:
        return
    verdicts = [variant.verdict for variant in found.variants]
    heading = metric_title(found.metric)
    for measure, cost, label, write in _COSTS:
        points = [point for variant in found.variants for point in _point(variant, measure)]
        if not points:
            continue
        cloud = Cloud(
            points=points,
            front=found.fronts[measure],
            x=label,
            y=heading,
            write=write,
            reference=next((one.main_metric for one in verdicts if one.is_reference), None),
        )
        front = ", ".join(cloud.front) or "none"
        alt = f"{heading} of {len(points)} variants against {cost}; on the front: {front}"
        note = "Dashed: float32. Whiskers: the interval of the difference to it."
        note += " Triangle: beyond the edge, at the value in brackets." if outside(cloud) else ""
        yield Chart(f"{heading} against {cost}", scatter(f"variants-{measure}", alt, cloud), note)


def _point(variant: Variant, measure: str) -> Iterator[Point]:
    size, verdict = variant.sizes[measure], variant.verdict
    place = size.value if measure == "bytes" else size.ratio
    value, change = verdict.main_metric, verdict.main_difference
    if not place or value is None:
        return
    low, high = (
        None if end is None or change.value is None else value - change.value + end
        for end in (change.low, change.high)
    )
    yield Point(verdict.name, place, value, low, high, verdict.status == "blessed")


def _fairness(found: FairnessEvidence, place: int) -> Iterator[Chart]:
    for rate in RATES:
        marks = [
            _mark(str(group.value), getattr(group, rate))
            for group in found.groups
            if not group.insufficient and getattr(group, rate).value is not None
        ]
        if marks:
            heading = f"{title(rate)} by {found.column}"
            axis = Axis(title(rate).lower())
            drawn = plots.forest(f"fairness-{place}-{rate}", heading, marks, axis)
            yield Chart(heading, drawn)


def _robustness(model: Model) -> Iterator[Chart]:
    marks = [
        _mark(
            title(stress.name),
            stress.drop,
            svg.BAD if _beyond(stress.drop, stress.bound) else svg.FIRST,
        )
        for stress in model.robustness.content or []
        if stress.drop.value is not None
    ]
    heading = f"Drop of {metric_title(model.metric)} under each stress"
    yield from _panels("robustness", heading, marks, "drop (right is worse)", 0.0)


def _beyond(drop: Interval, bound: float | None) -> bool:
    return bound is not None and drop.value is not None and drop.value > bound


def _importance(model: Model) -> Iterator[Chart]:
    known = [entry for entry in model.importance.content or [] if entry.drop.value is not None]
    marks = [_mark(entry.feature, entry.drop) for entry in known[:_MOST]]
    heading = f"Drop of {metric_title(model.metric)} when a feature is shuffled"
    yield from _panels("importance", heading, marks, "drop (right is more important)", 0.0)


def _leakage(powers: Sequence[FeaturePower]) -> Iterator[Chart]:
    shown = [(entry.feature, entry.power) for entry in powers[:_MOST]]
    low = 0.5 if min((power for _, power in shown), default=0.0) >= 0.5 else 0.0
    for start, part in _parts(shown):
        alt = f"Power of {len(part)} features; the most is {part[0][0]} with {number(part[0][1])}"
        letters = max(len(name) for name, _ in shown)
        axis = Axis("power alone (1 decides the label)", low, 1.0, letters)
        place = f"The strongest {len(shown)} of {len(powers)} features, "
        place += f"{start + 1} to {start + len(part)}"
        note = place if len(shown) < len(powers) else ""
        yield Chart("", plots.bars(f"leakage-{start}", alt, part, axis), note)
