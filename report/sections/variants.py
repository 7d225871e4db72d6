"""The variants' part of the report: from their verdicts in the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from contracts.results.evidence import Interval
from contracts.results.summary import Recommendation
from contracts.results.variant import PlacedVariant
from evidence.variant_choice import BLESSED, pareto, place_or_reason
from report.formats import plain
from report.sections.model import slice_name
from report.sources import Sources
from report.variants_view import Advice, Relative, Variant, Variants
from report.view import GateRow, Part, Tone

_TONES: Mapping[str, Tone] = {BLESSED: "good", "refused": "bad", "failed": "bad"}
_NONE = "No variants are configured (variants)."
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
    summary = sources.summary
    if not summary.variants:
        stopped = sources.stopped_at()
        return Part(absent=f"Not measured: the run stopped at {stopped}." if stopped else _NONE)
    return Part(
        Variants(
            metric=summary.variants[0].metric,
            counts=Counter(verdict.status for verdict in summary.variants),
            variants=[_variant(verdict, summary.pushed_to) for verdict in summary.variants],
            advice=[_advice(place, summary.recommended.get(place)) for place in _PLACES],
            fronts={name: pareto(summary.variants, name) for name in ("bytes", "p50_ms")},
            gates=[row for verdict in summary.variants for row in _gates(verdict)],
        )
    )


def _variant(verdict: PlacedVariant, candidate: str | None) -> Variant:
    worst, loss = _worst(verdict)
    return Variant(
        verdict=verdict,
        place=place_or_reason(verdict, candidate),
        settings=_settings(verdict),
        tone=_TONES.get(verdict.status, "none"),
        sizes=_figures(verdict),
        distinct=max((verdict.distinct or {}).values(), default=None),
        worst=worst,
        worst_loss=loss,
    )


def _settings(verdict: PlacedVariant) -> str:
    weights = verdict.weights
    settings = [f"{name} {plain(weights[name])}" for name in _SETTINGS if name in weights]
    if weights.get("pattern", "unstructured") != "unstructured":
        settings.append(f"pattern {weights['pattern']}")
    return ", ".join(settings)


def _figures(verdict: PlacedVariant) -> dict[str, Relative]:
    ratios = verdict.ratios
    figures = {
        name: Relative(getattr(verdict, name), ratios.get(name), ratios.get(f"lean_{name}"))
        for name in _SIZES
    }
    figures |= {
        name: Relative(getattr(verdict.timing, name, None), ratios.get(name)) for name in _TIMES
    }
    return figures | {"p50_ms": Relative(verdict.latency_ms, ratios.get("p50_ms"))}


def _worst(verdict: PlacedVariant) -> tuple[str, Interval]:
    """The slice that lost most of those that could be judged; the verdict has it first."""
    for entry in verdict.slices:
        if not entry.insufficient and entry.change:
            return slice_name(entry.slice), entry.change
    return "", Interval()


def _advice(place: str, choice: Recommendation | None) -> Advice:
    heading, none = _PLACES[place]
    return Advice(heading, choice.name, choice.reason) if choice else Advice(heading, "", none)


def _gates(verdict: PlacedVariant) -> list[GateRow]:
    return [
        GateRow(gate, verdict.name + (f": {slice_name(gate.slice)}" if gate.slice else ""))
        for gate in verdict.gates
    ]
