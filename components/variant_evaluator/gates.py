"""The gates that a variant must pass on its own: a good parent is no argument."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from components.model_gate.gate import Gate, Outcome, in_order
from evidence.wording import figure, name_of, with_interval
from models.compression.spec import VariantSpec, is_reference

# Two timings of one artifact differ by this much.
_NOISE = 0.05

Facts = Mapping[str, Any]


def judge(variant: VariantSpec, facts: Facts) -> list[Gate]:
    """Gives every gate of one variant.

    Args:
      variant: The variant and its bounds.
      facts: What was measured: see `verdict.json`.
    """
    gates = [
        _parity(variant, facts),
        *_drop(variant, facts),
        *_slices(variant, facts),
        *_costs(variant, facts),
        *([] if is_reference(variant) else [_saving(variant, facts)]),
    ]
    return in_order([replace(gate, key=_key(variant, gate)) for gate in gates])


_KEYS = {
    "variant_parity": "tolerance",
    "variant_drop": "max_drop",
    "variant_slice": "max_slice_drop",
    "variant_bytes": "max_bytes",
    "variant_latency": "max_latency_ratio",
    "variant_sparsity": "min_sparsity",
}


def _key(variant: VariantSpec, gate: Gate) -> str:
    """The config key that decides a gate; a variant that saves nothing should be left out."""
    bound = _KEYS.get(gate.gate)
    place = f"variants.{variant.name}"
    return place if bound is None else f"{place}.gates.{bound}"


def _outcome(holds: bool) -> Outcome:
    return "pass" if holds else "block"


def _parity(variant: VariantSpec, facts: Facts) -> Gate:
    parity = facts["parity"]
    off, bound = parity["max_difference"], parity["tolerance"]
    text = (
        f"On {parity['rows']} golden rows the artifact is at most {figure(off)} from its own "
        f"network in Keras; {bound:g} is allowed."
    )
    # Written so that a difference that is no number blocks.
    holds = off <= bound
    return Gate(
        "variant_parity", "", _outcome(holds), text, value=off, bound=bound, subject=variant.name
    )


def _drop(variant: VariantSpec, facts: Facts) -> Iterator[Gate]:
    metric, bound = facts["metric"], variant.gates.max_drop
    difference = facts["difference"][metric]
    if difference["value"] is None:
        text = f"{metric} could not be compared with float32."
        yield Gate("variant_drop", metric, "block", text, bound=bound, subject=variant.name)
        return
    loss = _loss(difference, higher=facts["higher_is_better"])
    yield Gate(
        "variant_drop",
        metric,
        _outcome(loss["high"] <= bound),
        f"{metric} is worse than float32's by {with_interval(loss['value'], loss, '+')}; the "
        f"upper end may be {bound:g} at most.",
        None,
        loss["value"],
        loss["low"],
        loss["high"],
        bound,
        variant.name,
    )


def _loss(difference: Mapping[str, float], *, higher: bool) -> dict[str, float]:
    if not higher:
        return dict(difference)
    return {
        "value": -difference["value"],
        "low": -difference["high"],
        "high": -difference["low"],
    }


def _slices(variant: VariantSpec, facts: Facts) -> Iterator[Gate]:
    bound, metric = variant.gates.max_slice_drop, facts["metric"]
    judged = [one for one in facts["slices"] if one["change"] and not one["insufficient"]]
    if bound is None or not judged:
        return
    worst = max(judged, key=lambda one: one["change"]["high"])
    loss = worst["change"]
    yield Gate(
        "variant_slice",
        metric,
        _outcome(loss["high"] <= bound),
        f"Of the slices with rows enough, {name_of(worst['slice'])} ({worst['rows']:,} rows) may "
        f"lose most of {metric}: {with_interval(loss['value'], loss, '+')}; the upper end may be "
        f"{bound:g} at most.",
        worst["slice"],
        loss["value"],
        loss["low"],
        loss["high"],
        bound,
        variant.name,
    )


def _costs(variant: VariantSpec, facts: Facts) -> Iterator[Gate]:
    gates = variant.gates
    asked = (
        ("variant_bytes", "bytes", facts["bytes"], gates.max_bytes, 1),
        ("variant_latency", "p50", facts["ratios"]["p50_ms"], gates.max_latency_ratio, 1),
        ("variant_sparsity", "sparsity", facts["sparsity"], gates.min_sparsity, -1),
    )
    for gate, metric, value, bound, sign in asked:
        if bound is None:
            continue
        words = "at most" if sign > 0 else "at least"
        shown = f"{value:,}" if gate == "variant_bytes" else figure(value)
        yield Gate(
            gate,
            metric,
            _outcome(sign * (value - bound) <= 0),
            f"{metric} is {shown}{_unit(gate)}; {words} {bound:g} is asked.",
            value=value,
            bound=bound,
            subject=variant.name,
        )


def _unit(gate: str) -> str:
    return " times float32's" if gate == "variant_latency" else ""


def _saving(variant: VariantSpec, facts: Facts) -> Gate:
    ratios = facts["ratios"]
    saved = {
        "bytes": ratios["bytes"] < 1,
        "gzipped bytes": ratios["gzip_bytes"] < 1,
        "time a row": ratios["p50_ms"] < 1 - _NOISE,
        "rows a second": ratios["rows_per_s"] > 1 + _NOISE,
    }
    wins = [name for name, won in saved.items() if won]
    told = (
        f"{ratios['bytes']:.2f}x the bytes, {ratios['gzip_bytes']:.2f}x gzipped, "
        f"{ratios['p50_ms']:.2f}x the time a row, {ratios['rows_per_s']:.2f}x the rows a second "
        "of float32"
    )
    text = f"{told}: it saves {', '.join(wins)}." if wins else f"{told}: it saves nothing."
    return Gate("variant_saving", "", _outcome(bool(wins)), text, subject=variant.name)
