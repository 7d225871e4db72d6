"""The verdict: blessed or not, why in a sentence each, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.results.gates import Outcome
from report.formats import (
    bounds,
    count,
    duration,
    metric_title,
    number,
    percent,
    signed,
    title,
)
from report.sections.model import slice_name
from report.sources import Sources, error_fields
from report.variants_view import Variants
from report.view import Data, GateRow, Gates, Metric, Model, Part, Tile, Tone, Verdict

_ORDER: tuple[Outcome, ...] = ("block", "warn", "insufficient", "pass")
_WORDS = {"block": "blocked", "warn": "warned", "insufficient": "not judged"}
_REMEDIES = {
    "bound": "raise the model above its bound: more data, better features, a wider network; "
    "or justify another bound (evaluation.bounds).",
    "change": "find out what the candidate lost: `kelp diff` against the last blessed run shows "
    "what changed.",
    "slice_change": "look at the slices that lost most, below: their rows may have changed or may "
    "be too few in train.",
    "slice_gap": "collect more rows of the weak slices, or give the model a feature that tells "
    "them apart.",
    "baseline": "do not deploy the network. Start again from the features, or bring more rows "
    "where the interval is wide.",
    "decisions": "set evaluation.costs to what errors of each kind cost you, or use the "
    "probabilities and decide elsewhere.",
    "fairness": "Look at the groups below; choose another threshold, weigh the classes, or "
    "collect more rows of the group that comes off worse.",
    "robustness": "validate such inputs before serving, or train with such rows (missing "
    "indicators, a larger min_count).",
    "calibration": "turn on temperature scaling, or use the scores for ranking only.",
}


def gates_of(sources: Sources) -> Part[Gates]:
    """The gates, those that need attention first."""
    if sources.gates is None:
        return Part(absent=sources.why_not("gates"))
    rows = [GateRow(gate, gate.subject or slice_name(gate.slice)) for gate in sources.gates.gates]
    rows.sort(key=lambda row: _ORDER.index(row.gate.outcome))
    counts = {name: sum(row.gate.outcome == name for row in rows) for name in _ORDER}
    attention = [row for row in rows if row.gate.outcome != "pass"]
    return Part(Gates(counts, attention, [row for row in rows if row.gate.outcome == "pass"]))


def verdict_of(
    sources: Sources, gates: Part[Gates], data: Data, model: Model, variants: Part[Variants]
) -> Verdict:
    """Gathers the verdict."""
    summary = sources.summary
    error = error_fields(summary.error)
    attention = gates.content.attention if gates.content else []
    blocking = [row.gate.reason for row in attention if row.gate.outcome == "block"]
    warning = [row.gate.reason for row in attention if row.gate.outcome == "warn"]
    stopped = sources.stopped_at()
    tone, label, headline = _headline(sources, stopped, len(blocking), len(warning))
    reasons = [*blocking, *warning]
    reasons += [text for text in summary.reasons if text not in reasons]
    if not reasons and not stopped:
        passed = gates.content
        reasons = [f"All {count(len(passed.passed))} gates were passed."] if passed else []
    return Verdict(
        tone=tone,
        label=label,
        title=headline,
        reasons=reasons,
        error=[(name if name != "error" else "what", text) for name, text in error],
        tiles=[*_tiles(sources, gates, model), *_variant_tile(variants)],
        steps=list(dict.fromkeys(_steps(sources, attention, data, model))),
    )


def _headline(sources: Sources, stopped: str, blocking: int, warning: int) -> tuple[Tone, str, str]:
    summary = sources.summary
    if stopped:
        interrupted = summary.status == "interrupted"
        word = "was interrupted" if interrupted else "failed"
        label = "Interrupted" if interrupted else "Failed"
        return "bad", label, f"The run {word} at {stopped}; no model was judged."
    if not summary.blessed:
        why = f"{blocking} gate{'s' * (blocking != 1)} blocked it" if blocking else "see below"
        return "bad", "Not blessed", f"The candidate was not blessed: {why}."
    pushed = summary.pushed_to
    done = f"blessed and pushed to {pushed}" if pushed else "blessed; nothing was pushed"
    if warning or not pushed:
        more = f", with {warning} warning{'s' * (warning != 1)}" if warning else ""
        label = "Blessed, with warnings" if warning else "Blessed, not pushed"
        return "warn", label, f"The candidate was {done}{more}."
    return "good", "Blessed", f"The candidate was {done}."


def _tiles(sources: Sources, gates: Part[Gates], model: Model) -> Iterator[Tile]:
    main = next((metric for metric in model.metrics.content or [] if metric.main), None)
    if main is not None:
        level = percent(model.confidence, 0) if model.confidence else ""
        yield Tile(
            f"{metric_title(main.name)} on test",
            number(main.figures.candidate.value),
            f"{level} interval {bounds(main.figures.candidate)}".strip(),
        )
        yield _change_tile(main)
    if gates.content:
        counts = gates.content.counts
        words = [f"{counts[name]} {_WORDS[name]}" for name in _ORDER[:3] if counts[name]]
        blocked = "bad" if counts["block"] else "warn" if counts["warn"] else "good"
        total = len(gates.content.attention) + counts["pass"]
        yield Tile(
            "Gates passed",
            f"{count(counts['pass'])} of {count(total)}",
            ", ".join(words) or "none blocked, none warned",
            blocked,  # type: ignore[arg-type]
        )
    rows = sources.summary.rows
    if rows:
        parts = ", ".join(f"{split} {count(number_)}" for split, number_ in rows.items())
        yield Tile("Rows", count(sum(rows.values())), parts)
    yield Tile("Time", duration(sources.summary.total_seconds), "for the whole run")


def _variant_tile(variants: Part[Variants]) -> Iterator[Tile]:
    if variants.content:
        counts = dict(variants.content.counts)
        total, blessed = sum(counts.values()), counts.pop("blessed", 0)
        others = ", ".join(f"{count(number_)} {status}" for status, number_ in counts.items())
        tone: Tone = "good" if blessed == total else "warn" if blessed else "bad"
        figure = f"{count(blessed)} of {count(total)}"
        yield Tile("Variants blessed", figure, others or "each for itself", tone)


def _change_tile(main: Metric) -> Tile:
    difference = main.figures.difference
    if difference is None or difference.value is None:
        return Tile("Against the baseline", "first model", "no model was blessed before")
    tone = "none"
    sign = 1 if main.better.startswith("higher") else -1
    ends = [sign * end for end in (difference.low, difference.high) if end is not None]
    if len(ends) == 2:
        tone = "good" if min(ends) > 0 else "bad" if max(ends) < 0 else "none"
    words = {"good": "better", "bad": "worse", "none": "no change beyond chance"}[tone]
    return Tile(
        "Against the baseline",
        signed(difference.value),
        f"{words}: {bounds(difference, sign=True)}",
        tone,  # type: ignore[arg-type]
    )


def _steps(sources: Sources, attention: list[GateRow], data: Data, model: Model) -> Iterator[str]:
    fix = dict(error_fields(sources.summary.error)).get("fix")
    if fix:
        yield f"Fix the cause: {fix}."
    if sources.stopped_at():
        return
    preferred = _preferred(attention, model)
    if preferred:
        yield preferred
    for gate in (row.gate for row in attention):
        if gate.outcome in ("block", "warn") and gate.gate in _REMEDIES:
            if gate.gate == "baseline" and gate.outcome == "warn":
                continue
            yield f"{title(gate.gate)}: {_REMEDIES[gate.gate]}"
    yield from _data_steps(data)
    for diagnosis in sources.training.diagnosis if sources.training else []:
        yield f"Training ({diagnosis.name}): {diagnosis.remedy}."
    thin = sum(row.gate.outcome == "insufficient" for row in attention)
    if thin:
        yield (
            f"{count(thin)} gate{'s' * (thin != 1)} could not be judged for want of rows: collect "
            "more of them before relying on the model there."
        )
    if sources.summary.blessed and sources.summary.pushed_to and not preferred:
        same = ": it answered as the trained model did" if sources.parity else ""
        yield f"Serve {sources.summary.pushed_to}{same}."


def _preferred(attention: list[GateRow], model: Model) -> str:
    """Which simpler model to take instead of the network; empty where the network is to be taken.

    It is said once, and a report that says it does not say "serve the network" as well.
    """
    rivals = {rival.name: rival for rival in model.baselines.content or []}
    trees, linear = rivals.get("trees"), rivals.get("linear")
    only = "Take the network only where you need a SavedModel, TFLite or ONNX file."
    if trees is not None and trees.tone == "bad":
        return (
            f"Prefer the trees: gradient-boosted trees reach {number(trees.metric.value)}, better "
            f"than the network by {number(abs(trees.difference.value or 0.0))}. {only}"
        )
    tie = ("baseline", "linear", "warn")
    tied = any((row.gate.gate, row.where, row.gate.outcome) == tie for row in attention)
    if linear is not None and (linear.tone == "bad" or (tied and linear.tone == "warn")):
        ahead = "does better" if linear.tone == "bad" else "does as well, and is simpler"
        return (
            f"Prefer the linear model: it reaches {number(linear.metric.value)} and {ahead}. With "
            "network: {kind: linear} in the config it is trained, pushed, quantised and served."
        )
    return ""


def _data_steps(data: Data) -> Iterator[str]:
    for check in data.checks.content or []:
        if check.outcome in ("warn", "block"):
            if check.check == "label_errors":
                yield (
                    "Data (label errors): read the suspect rows below and correct the labels that "
                    "are wrong."
                )
            else:
                yield f"Data ({title(check.check).lower()}): {check.what}"
