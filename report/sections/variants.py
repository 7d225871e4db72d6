"""What the report tells of the variants: from their verdicts in the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from evidence.variant_choice import (
    BLESSED,
    is_reference,
    latency_ms,
    pareto,
    recommend,
    told_of,
)
from report.formats import plain
from report.sections.model import interval, slice_name
from report.sources import Sources
from report.variants_view import Advice, Relative, Variant, Variants
from report.view import Gate, Interval, Part, Tone

Raw = Mapping[str, Any]
_TONES: Mapping[str, Tone] = {BLESSED: "good", "refused": "bad", "failed": "bad"}
_SIZES = ("bytes", "gzip_bytes", "parameters")
_TIMES = ("rows_per_s", "peak_memory_mib")
# What the weights are; how they were trained stands in the config.
_SETTINGS = ("sparsity", "clusters", "scale", "temperature", "alpha")
_PLACES = {
    "server": ("For a server", "No SavedModel is blessed."),
    "phone": ("For a phone", "No TFLite file is blessed."),
    "download": ("Smallest download", "No variant is blessed."),
}


def variants_of(sources: Sources) -> Part[Variants]:
    """Gathers the part of the variants."""
    verdicts: list[Raw] = sources.summary.get("variants") or []
    if not verdicts:
        return Part(absent=_absent(sources))
    chosen: Raw = sources.summary.get("recommended") or recommend(verdicts)
    return Part(
        Variants(
            metric=next((str(one["metric"]) for one in verdicts if one.get("metric")), ""),
            counts=Counter(str(one["status"]) for one in verdicts),
            variants=[_variant(one, sources.summary.get("pushed_to")) for one in verdicts],
            advice=[_advice(place, chosen.get(place)) for place in _PLACES],
            fronts={name: pareto(verdicts, name) for name in ("bytes", "p50_ms")},
            gates=[gate for one in verdicts for gate in _gates(one)],
        )
    )


def _absent(sources: Sources) -> str:
    if sources.stopped_at():
        return f"Not measured: the run stopped at {sources.stopped_at()}."
    if "variants" in sources.summary:
        return "No variants are configured (variants)."
    return "Not recorded: this run's summary has no variants."


def _variant(raw: Raw, candidate: str | None) -> Variant:
    metric, status = raw.get("metric"), str(raw["status"])
    weights, parity = raw.get("weights") or {}, raw.get("parity") or {}
    worst, loss = _worst(raw)
    return Variant(
        name=str(raw["name"]),
        weights=str(weights.get("weights") or ""),
        settings=_settings(weights),
        format=str(raw.get("format") or ""),
        status=status,
        tone=_TONES.get(status, "none"),
        told=told_of(raw, candidate),
        sizes=_figures(raw),
        sparsity=raw.get("sparsity"),
        distinct=max((raw.get("distinct") or {}).values(), default=None),
        preparing_ms=(raw.get("timing") or {}).get("prepare_ms"),
        metric=interval((raw.get("metrics") or {}).get(metric)),
        difference=interval((raw.get("difference") or {}).get(metric)),
        worst=worst,
        worst_loss=loss,
        parity=parity.get("max_difference"),
        tolerance=parity.get("tolerance"),
        is_reference=is_reference(raw),
    )


def _settings(weights: Raw) -> str:
    told = [f"{name} {plain(weights[name])}" for name in _SETTINGS if name in weights]
    if weights.get("pattern", "unstructured") != "unstructured":
        told.append(f"pattern {weights['pattern']}")
    return ", ".join(told)


def _figures(raw: Raw) -> dict[str, Relative]:
    ratios, timing = raw.get("ratios") or {}, raw.get("timing") or {}
    figures = {
        name: Relative(raw.get(name), ratios.get(name), ratios.get(f"lean_{name}"))
        for name in _SIZES
    }
    figures |= {name: Relative(timing.get(name), ratios.get(name)) for name in _TIMES}
    return figures | {"p50_ms": Relative(latency_ms(raw), ratios.get("p50_ms"))}


def _worst(raw: Raw) -> tuple[str, Interval]:
    """The slice that lost most of those that could be judged; the verdict has it first."""
    for one in raw.get("slices") or []:
        if not one.get("insufficient") and one.get("change"):
            return slice_name(one.get("slice")), interval(one["change"])
    return "", Interval()


def _advice(place: str, choice: Raw | None) -> Advice:
    heading, none = _PLACES[place]
    if not choice:
        return Advice(heading, "", none)
    return Advice(heading, str(choice["name"]), str(choice["reason"]))


def _gates(raw: Raw) -> Iterator[Gate]:
    for gate in raw.get("gates") or []:
        slice_ = f": {slice_name(gate['slice'])}" if gate.get("slice") else ""
        yield Gate(
            gate=str(gate["gate"]),
            metric=str(gate.get("metric") or ""),
            where=f"{raw['name']}{slice_}",
            figure=interval(gate),
            bound=gate.get("bound"),
            outcome=str(gate.get("outcome") or "pass"),
            reason=str(gate.get("reason") or ""),
        )
