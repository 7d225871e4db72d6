"""Which variant to take: for a server, for a phone, for the smallest download.

Speeds are compared as ratios to the float32 SavedModel that was timed beside the variant:
verdicts may come from different days, and the machine is not the same on each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from contracts.results.summary import Recommendation
from contracts.results.variant import PlacedVariant, VariantVerdict
from evidence.wording import figure, interval_text, with_interval

Measure = Literal["bytes", "gzip_bytes", "p50_ms", "rows_per_s"]

BLESSED = "blessed"
# Differences of speed below these are noise; the smaller file wins then.
_SAME_THROUGHPUT = 0.05
_SAME_LATENCY = 0.1


def recommend(verdicts: Sequence[VariantVerdict]) -> dict[str, Recommendation | None]:
    """Chooses among the blessed variants; None where none of the kind is blessed.

    Returns:
      `server`: the SavedModel that answers most rows per second; `phone`: the TFLite file that
      answers one row soonest, its preparation included; `download`: the fewest gzipped bytes.
    """
    blessed = [verdict for verdict in verdicts if verdict.status == BLESSED]
    servers = _near(_of_kind(blessed, "savedmodel"), "rows_per_s", 1 - _SAME_THROUGHPUT)
    phones = _near(_of_kind(blessed, "tflite"), "p50_ms", 1 + _SAME_LATENCY)
    return {
        "server": _choice(
            _smallest(servers, "bytes"), _server_reason, "answers more rows per second"
        ),
        "phone": _choice(_smallest(phones, "bytes"), _phone_reason, "answers a row sooner"),
        "download": _choice(
            _smallest(blessed, "gzip_bytes"), _download_reason, "is a smaller download"
        ),
    }


def pareto(verdicts: Sequence[VariantVerdict], x: Measure) -> list[str]:
    """Names the blessed variants that no other beats in the main metric and in `x` at once.

    Args:
      verdicts: Of all variants.
      x: What is weighed against the metric.

    Returns:
      The front, from the least `x` to the most; for rows per second from the most to the least.
    """
    points = []
    for verdict in verdicts:
        value, cost = verdict.main_metric, cost_of(verdict, x)
        if verdict.status == BLESSED and value is not None and cost is not None:
            points.append((cost, -value if verdict.higher_is_better else value, verdict.name))
    front: list[str] = []
    best = float("inf")
    for _, loss, name in sorted(points, key=lambda point: point[:2]):
        if loss < best:
            front.append(name)
            best = loss
    return front


def cost_of(verdict: VariantVerdict, x: Measure) -> float | None:
    """What a variant costs in `x`: less is better; None where it was not measured."""
    if x == "rows_per_s":
        ratio = verdict.ratios.get(x)
        return None if ratio is None else -ratio
    return verdict.ratios.get(x) if x == "p50_ms" else getattr(verdict, x)


def _of_kind(verdicts: Sequence[VariantVerdict], kind: str) -> list[VariantVerdict]:
    return [verdict for verdict in verdicts if verdict.kind == kind]


def _near(verdicts: Sequence[VariantVerdict], name: str, share: float) -> list[VariantVerdict]:
    """The best ones: all within `share` of the most (below 1) or of the least (above 1)."""
    measured = [verdict for verdict in verdicts if name in verdict.ratios]
    if not measured:
        return []
    values = [verdict.ratios[name] for verdict in measured]
    if share < 1:
        return [verdict for verdict in measured if verdict.ratios[name] >= share * max(values)]
    return [verdict for verdict in measured if verdict.ratios[name] <= share * min(values)]


def _smallest(
    verdicts: Sequence[VariantVerdict], size: Literal["bytes", "gzip_bytes"]
) -> VariantVerdict | None:
    """The smallest; of equal ones the first of the config."""
    measured = (verdict for verdict in verdicts if getattr(verdict, size) is not None)
    return min(measured, key=lambda verdict: float(getattr(verdict, size)), default=None)


def _choice(
    verdict: VariantVerdict | None, reason: Callable[[VariantVerdict], str], best: str
) -> Recommendation | None:
    if verdict is None:
        return None
    if verdict.is_reference:
        return Recommendation(name=verdict.name, reason=f"nothing that is blessed {best}")
    return Recommendation(name=verdict.name, reason=f"{reason(verdict)}, {_change(verdict)}")


def place_or_reason(verdict: PlacedVariant, candidate: str | None) -> str:
    """Where a variant was pushed to, or why it was not.

    Args:
      verdict: On the variant.
      candidate: Where the candidate itself was pushed to: float32 is no other.
    """
    if verdict.status != BLESSED:
        return " ".join(verdict.reasons)
    place = verdict.pushed_to or (candidate if verdict.is_reference else None)
    return place or "not pushed"


def _server_reason(verdict: VariantVerdict) -> str:
    ratios = verdict.ratios
    return (
        f"{times(ratios.get('bytes'))} the bytes and {times(ratios.get('rows_per_s'))} "
        f"the rows per second of float32"
    )


def _phone_reason(verdict: VariantVerdict) -> str:
    spent = f"{figure(verdict.latency_ms)} ms with its preparation"
    return (
        f"{times(verdict.ratios.get('bytes'))} the bytes and {times(verdict.ratios.get('p50_ms'))} "
        f"the time of a row of float32's SavedModel ({spent})"
    )


def _download_reason(verdict: VariantVerdict) -> str:
    ratio = times(verdict.ratios.get("gzip_bytes"))
    return f"{ratio} the gzipped bytes of float32 ({verdict.gzip_bytes:,.0f})"


def times(ratio: float | None) -> str:
    """A ratio such as `0.31x`."""
    if ratio is None:
        return "an unknown multiple of"
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:,.0f}x"


def _change(verdict: VariantVerdict) -> str:
    metric, difference = verdict.metric, verdict.main_difference
    if difference.value is None:
        return f"{metric} not compared"
    if difference.value == 0:
        return f"{metric} the same{interval_text(difference)}"
    word = "higher" if difference.value > 0 else "lower"
    size = difference if difference.value > 0 else difference.negated
    return f"{metric} {word} by {with_interval(size.value, size)}"
