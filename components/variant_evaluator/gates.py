"""The gates that a variant must pass on its own: a good parent is no argument."""

from __future__ import annotations

import math
from collections.abc import Iterator

from components.model_gate.gate import in_order
from contracts.results.evidence import Interval
from contracts.results.gates import Gate, Outcome
from contracts.results.variant import VariantParity, VariantVerdict
from evidence.wording import figure, name_of, with_interval
from models.compression.spec import VariantSpec, is_reference

# Two timings of one artifact differ by this much.
_NOISE = 0.05


def judge(variant: VariantSpec, verdict: VariantVerdict) -> list[Gate]:
    """Gives every gate of one variant.

    Args:
      variant: The variant and its bounds.
      verdict: What was measured.
    """
    if verdict.parity is None:
        raise ValueError(f"the variant {variant.name!r} was not measured")
    gates = [
        _parity(verdict.parity),
        _drop(variant, verdict),
        *_slices(variant, verdict),
        *_costs(variant, verdict),
        *([] if is_reference(variant) else [_saving(verdict)]),
    ]
    named = {"subject": variant.name}
    return in_order(
        [gate.model_copy(update={**named, "key": _key(variant, gate)}) for gate in gates]
    )


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


def _parity(parity: VariantParity) -> Gate:
    return Gate(
        gate="variant_parity",
        # Written so that a difference that is no number blocks.
        outcome=_outcome(parity.max_difference <= parity.tolerance),
        reason=f"On {parity.rows} golden rows the artifact is at most "
        f"{figure(parity.max_difference)} from its own network in Keras; "
        f"{parity.tolerance:g} is allowed.",
        value=parity.max_difference,
        bound=parity.tolerance,
    )


def _drop(variant: VariantSpec, verdict: VariantVerdict) -> Gate:
    metric, bound = verdict.metric, variant.gates.max_drop
    loss = verdict.main_difference
    if verdict.higher_is_better:
        loss = loss.negated
    text = f"{metric} could not be compared with float32."
    if loss.value is not None:
        text = (
            f"{metric} is worse than float32's by {with_interval(loss.value, loss, '+')}; the "
            f"upper end may be {bound:g} at most."
        )
    return Gate(
        gate="variant_drop",
        metric=metric,
        outcome=_outcome(_upper_end(loss) <= bound),
        reason=text,
        **loss.ends(),
        bound=bound,
    )


def _upper_end(loss: Interval) -> float:
    """What the loss may be at most; anything where that could not be computed."""
    return math.inf if loss.high is None else loss.high


def _slices(variant: VariantSpec, verdict: VariantVerdict) -> Iterator[Gate]:
    bound, metric = variant.gates.max_slice_drop, verdict.metric
    judged = [
        (entry, entry.change)
        for entry in verdict.slices
        if entry.change is not None and not entry.insufficient
    ]
    if bound is None or not judged:
        return
    worst, loss = max(judged, key=lambda pair: _upper_end(pair[1]))
    yield Gate(
        gate="variant_slice",
        metric=metric,
        outcome=_outcome(_upper_end(loss) <= bound),
        reason=f"Of the slices with rows enough, {name_of(worst.slice)} ({worst.rows:,} rows) may "
        f"lose most of {metric}: {with_interval(loss.value, loss, '+')}; the upper end may be "
        f"{bound:g} at most.",
        slice=worst.slice,
        **loss.ends(),
        bound=bound,
    )


def _costs(variant: VariantSpec, verdict: VariantVerdict) -> Iterator[Gate]:
    gates = variant.gates
    latency = verdict.ratios.get("p50_ms")
    checked = (
        ("variant_bytes", "bytes", verdict.bytes, gates.max_bytes, 1),
        ("variant_latency", "p50", latency, gates.max_latency_ratio, 1),
        ("variant_sparsity", "sparsity", verdict.sparsity, gates.min_sparsity, -1),
    )
    for gate, metric, value, bound, sign in checked:
        if bound is None:
            continue
        words = "at most" if sign > 0 else "at least"
        shown = f"{value:,}" if gate == "variant_bytes" else figure(value)
        unit = " times float32's" if gate == "variant_latency" else ""
        yield Gate(
            gate=gate,
            metric=metric,
            outcome=_outcome(value is not None and sign * (value - bound) <= 0),
            reason=f"{metric} is {shown}{unit}; {words} {bound:g} is required.",
            value=value,
            bound=bound,
        )


def _saving(verdict: VariantVerdict) -> Gate:
    ratios = verdict.ratios
    saved = {
        "bytes": ratios["bytes"] < 1,
        "gzipped bytes": ratios["gzip_bytes"] < 1,
        "time a row": ratios["p50_ms"] < 1 - _NOISE,
        "rows a second": ratios["rows_per_s"] > 1 + _NOISE,
    }
    wins = [name for name, won in saved.items() if won]
    text = (
        f"{ratios['bytes']:.2f}x the bytes, {ratios['gzip_bytes']:.2f}x gzipped, "
        f"{ratios['p50_ms']:.2f}x the time a row, {ratios['rows_per_s']:.2f}x the rows a second "
        f"of float32: it saves {', '.join(wins) or 'nothing'}."
    )
    return Gate(gate="variant_saving", outcome=_outcome(bool(wins)), reason=text)
