"""Which variant to take: for a server, for a phone, for the smallest download.

Speeds are compared as ratios to the float32 SavedModel that was timed beside the variant:
verdicts may come from different days, and the machine is not the same on each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from evidence.wording import figure

Verdict = Mapping[str, Any]
Measure = Literal["bytes", "gzip_bytes", "p50_ms", "rows_per_s"]

BLESSED = "blessed"
# Differences of speed below these are noise; the smaller file wins then.
_SAME_THROUGHPUT = 0.05
_SAME_LATENCY = 0.1


def recommend(verdicts: Sequence[Verdict]) -> dict[str, dict[str, str] | None]:
    """Chooses among the blessed variants; None where none of the kind is blessed.

    Returns:
      `server`: the SavedModel that answers most rows per second; `phone`: the TFLite file that
      answers one row soonest, its preparation included; `download`: the fewest gzipped bytes.
      Each with `name` and `reason`.
    """
    blessed = [one for one in verdicts if one["status"] == BLESSED]
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


def pareto(verdicts: Sequence[Verdict], x: Measure) -> list[str]:
    """Names the blessed variants that no other beats in the main metric and in `x` at once.

    Args:
      verdicts: Of all variants.
      x: What is weighed against the metric.

    Returns:
      The front, from the least `x` to the most; for rows per second from the most to the least.
    """
    points = []
    for one in verdicts:
        value, cost = main_metric(one), cost_of(one, x)
        if one["status"] == BLESSED and value is not None and cost is not None:
            points.append((cost, -value if one["higher_is_better"] else value, one["name"]))
    front: list[str] = []
    best = float("inf")
    for _, loss, name in sorted(points, key=lambda point: point[:2]):
        if loss < best:
            front.append(name)
            best = loss
    return front


def cost_of(verdict: Verdict, x: Measure) -> float | None:
    """What a variant costs in `x`: less is better; None where it was not measured."""
    if x == "p50_ms":
        return ratio_of(verdict, x)
    if x == "rows_per_s":
        ratio = ratio_of(verdict, x)
        return None if ratio is None else -ratio
    held: float | None = verdict.get(x)
    return held


def main_metric(verdict: Verdict) -> float | None:
    """The main metric's value."""
    interval = (verdict.get("metrics") or {}).get(verdict.get("metric")) or {}
    value: float | None = interval.get("value")
    return value


def latency_ms(verdict: Verdict) -> float | None:
    """The median time of one row, its preparation included."""
    timing = verdict.get("timing") or {}
    if timing.get("p50_ms") is None:
        return None
    return float(timing["p50_ms"]) + float(timing.get("prepare_ms") or 0.0)


def ratio_of(verdict: Verdict, name: str) -> float | None:
    """A figure as a multiple of float32's, such as of `bytes` or `p50_ms`."""
    held: float | None = (verdict.get("ratios") or {}).get(name)
    return held


def _of_kind(verdicts: Sequence[Verdict], kind: str) -> list[Verdict]:
    return [one for one in verdicts if one["kind"] == kind]


def _near(verdicts: Sequence[Verdict], name: str, share: float) -> list[Verdict]:
    """The best ones: all within `share` of the most (below 1) or of the least (above 1)."""
    measured = [(value, one) for one in verdicts if (value := ratio_of(one, name)) is not None]
    if not measured:
        return []
    values = [value for value, _ in measured]
    if share < 1:
        return [one for value, one in measured if value >= share * max(values)]
    return [one for value, one in measured if value <= share * min(values)]


def _smallest(verdicts: Sequence[Verdict], size: str) -> Verdict | None:
    """The smallest; of equal ones the first of the config."""
    return min(
        (one for one in verdicts if one.get(size) is not None),
        key=lambda one: float(one[size]),
        default=None,
    )


def _choice(
    verdict: Verdict | None, reason: Callable[[Verdict], str], best: str
) -> dict[str, str] | None:
    if verdict is None:
        return None
    if is_reference(verdict):
        return {"name": str(verdict["name"]), "reason": f"nothing that is blessed {best}"}
    return {"name": str(verdict["name"]), "reason": f"{reason(verdict)}, {_change(verdict)}"}


def is_reference(verdict: Verdict) -> bool:
    """Whether a variant is float32 itself, which the others are compared with."""
    weights = (verdict.get("weights") or {}).get("weights")
    return weights == "none" and verdict.get("format") == "savedmodel_float32"


def told_of(verdict: Verdict, candidate: str | None) -> str:
    """Where a variant was pushed to, or why it was not.

    Args:
      verdict: On the variant.
      candidate: Where the candidate itself was pushed to: float32 is no other.
    """
    if verdict["status"] != BLESSED:
        return " ".join(verdict["reasons"])
    place = verdict.get("pushed_to") or (candidate if is_reference(verdict) else None)
    return place or "not pushed"


def _server_reason(one: Verdict) -> str:
    return (
        f"{times(ratio_of(one, 'bytes'))} the bytes and {times(ratio_of(one, 'rows_per_s'))} "
        f"the rows per second of float32"
    )


def _phone_reason(one: Verdict) -> str:
    spent = f"{figure(latency_ms(one))} ms with its preparation"
    return (
        f"{times(ratio_of(one, 'bytes'))} the bytes and {times(ratio_of(one, 'p50_ms'))} "
        f"the time of a row of float32's SavedModel ({spent})"
    )


def _download_reason(one: Verdict) -> str:
    ratio = times(ratio_of(one, "gzip_bytes"))
    return f"{ratio} the gzipped bytes of float32 ({one['gzip_bytes']:,.0f})"


def times(ratio: float | None) -> str:
    """A ratio such as `0.31x`."""
    if ratio is None:
        return "an unknown multiple of"
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:,.0f}x"


def _change(one: Verdict) -> str:
    metric = str(one["metric"])
    found = (one.get("difference") or {}).get(metric) or {}
    value, low, high = (found.get(key) for key in ("value", "low", "high"))
    if value is None:
        return f"{metric} not compared"
    if value < 0:
        low, high = (None if end is None else -end for end in (high, low))
    word = "higher" if value > 0 else "lower"
    text = f"{metric} {word} by {figure(abs(value))}" if value else f"{metric} the same"
    return text if low is None or high is None else f"{text} [{figure(low)}, {figure(high)}]"
