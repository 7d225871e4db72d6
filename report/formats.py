"""How the report writes numbers: one way for each kind, and never a blank."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from contracts.results.evidence import Interval
from evidence import variant_choice

NOT_AVAILABLE = "n/a"
_MINUS = "\N{MINUS SIGN}"
_TITLES = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "f1": "F1",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "mase": "MASE",
    "smape": "sMAPE",
    "r2": "R²",
    "log_loss": "Log loss",
    "calibration": "Calibration ratio",
}


def metric_title(name: str) -> str:
    """A metric's name for people; the config's own name where there is no other."""
    return _TITLES.get(name, title(name))


def title(name: str) -> str:
    """`true_positive_rate` as `True positive rate`."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def number(value: float | None) -> str:
    """A measured number: four decimals below 10, fewer above."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    size = abs(value)
    if size and (size < 5e-5 or size >= 1e15):
        text = f"{value:.1e}"
    elif size >= 1000:
        text = f"{value:,.0f}"
    elif size >= 100:
        text = f"{value:,.1f}"
    elif size >= 10:
        text = f"{value:,.2f}"
    else:
        text = f"{value:.4f}"
    return text.replace("-", _MINUS) if size else "0"


def plain(value: float | None) -> str:
    """A raw value of the data, as short as it can be."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    text = f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:,.4g}"
    return text.replace("-", _MINUS)


def signed(value: float | None) -> str:
    """A difference: always with its sign."""
    text = number(value)
    return f"+{text}" if value is not None and value > 0 and text != NOT_AVAILABLE else text


def percent(value: float | None, decimals: int = 1) -> str:
    """A share as a percentage."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    text = f"{100 * value:.{decimals}f}"
    if value > 0 and not float(text):
        return f"< {10.0**-decimals:.{decimals}f} %"
    return f"{text} %".replace("-", _MINUS)


def count(value: float | None) -> str:
    """A whole number with thousands apart."""
    return NOT_AVAILABLE if value is None else f"{value:,.0f}".replace("-", _MINUS)


def bounds(interval: Interval | None, sign: bool = False) -> str:
    """The two ends of an interval."""
    if interval is None or interval.low is None or interval.high is None:
        return "no interval"
    write = signed if sign else number
    return f"{write(interval.low)} to {write(interval.high)}"


def size(value: float | None) -> str:
    """Bytes as `77.8 kB`."""
    if value is None:
        return NOT_AVAILABLE
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:,.4g} {unit}"
    return f"{value:,.0f} B"


def times(value: float | None) -> str:
    """A multiple as `0.31x`."""
    return NOT_AVAILABLE if value is None else variant_choice.times(value)


def chance(value: float | None) -> str:
    """A p- or q-value."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """`0.04 s`, `75 s`, `2 min 28 s`; a line never ends within it."""
    if seconds is None:
        return NOT_AVAILABLE
    return _duration(seconds).replace(" ", "\N{NO-BREAK SPACE}")


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def microseconds(value: float | None) -> str:
    """`12.3 µs`, `1.24 ms`, `2.05 s`."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    for unit, factor in (("s", 1e6), ("ms", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g} \N{MICRO SIGN}s"


def moment(text: str) -> str:
    """An ISO moment as `21 November 2026, 06:54 UTC`; as it is where it is none."""
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    utc = when.astimezone(timezone.utc)
    months = "January February March April May June July August September October November December"
    return f"{utc.day} {months.split()[utc.month - 1]} {utc.year}, {utc:%H:%M} UTC"


def short(text: object, width: int = 60) -> str:
    """The text, cut to `width` characters."""
    whole = str(text)
    return whole if len(whole) <= width else whole[: width - 1] + "…"


def cell(value: object) -> str:
    """A value of a row."""
    if value is None:
        return "missing"
    return short(f"{value:.6g}" if isinstance(value, float) else value)
