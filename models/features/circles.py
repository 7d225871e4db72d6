"""Whether a column of numbers goes round in a circle: hours, months, directions.

The name alone decides nothing, and neither does the range: `price_min` may lie between 0 and
59, and a contract of 1 to 12 months is no month of the year. A name with something before it
needs company, such as `dep_hour` beside `dep_minute`, and the values must fill the circle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_FILLED = 0.75
_WIDE = 5 / 6
_FEWEST = 8


@dataclass(frozen=True)
class _Circle:
    """A kind of circle.

    Attributes:
      what: What its values are.
      pattern: Names for it.
      first: Its first value.
      last: Its last value, which may be the first one again.
      period: After how much it begins again.
      calendar: Whether it is a part of a date or time; else it is a direction.
    """

    what: str
    pattern: str
    first: float
    last: float
    period: int
    calendar: bool = True


_CIRCLES = (
    _Circle("an hour", r"hour|hr", 0, 24, 24),
    _Circle("a minute", r"minute|min", 0, 60, 60),
    _Circle("a month", r"month", 1, 12, 12),
    _Circle("a weekday", r"weekday|day_?of_?week|dow", 0, 7, 7),
    _Circle("a day of the year", r"day_?of_?year|doy", 0, 366, 366),
    _Circle(
        "a direction",
        r"wind_?dir(ection)?|bearing|heading|azimuth|direction",
        0,
        360,
        360,
        calendar=False,
    ),
)
# What may stand beside a part of a date, and is none that goes round.
_COMPANY = r"year|day|date|day_?of_?month|second|sec"
_CALENDAR = "|".join(circle.pattern for circle in _CIRCLES if circle.calendar)
_BEFORE = re.compile(rf"^(.*?)[_\s-]?({_CALENDAR}|{_COMPANY})$", re.IGNORECASE)
# Short for a minimum as often as for a minute.
_AMBIGUOUS = ("min",)
# Beside an hour it is a minute.
_HOURS = ("hour", "hr")


@dataclass(frozen=True)
class CircleGuess:
    """What was found: a period, or None with a reason against it."""

    period: int | None
    reason: str


def guess_circle(name: str, values: pa.Array, names: Sequence[str]) -> CircleGuess | None:
    """Looks whether a column of numbers goes round in a circle.

    Args:
      name: The column.
      values: Its values.
      names: All columns.

    Returns:
      None where neither name nor range suggests it.
    """
    bounds = pc.min_max(values).as_py()
    low, high = float(bounds["min"]), float(bounds["max"])
    for circle in _CIRCLES:
        named = re.search(rf"(^|[_\s-])({circle.pattern})$", name, re.IGNORECASE)
        if named and circle.first <= low and high <= circle.last:
            against = _against(circle, name, named.group(2), values, names)
            if against:
                hint = f"cyclic with period {circle.period}, if it is {circle.what}"
                return CircleGuess(None, f"{against}: {hint}")
            shown = f"{low:g} to {high:g}"
            return CircleGuess(circle.period, f"{circle.what}, by its name and values {shown}")
    return None


def _against(circle: _Circle, name: str, word: str, values: pa.Array, names: Sequence[str]) -> str:
    """What speaks against a circle; empty where nothing does."""
    if not circle.calendar:
        return "" if _goes_round(circle, values) else "not all round the circle"
    stem = name[: len(name) - len(word)].rstrip("_- ")
    if (stem or word.lower() in _AMBIGUOUS) and not _has_company(name, stem, word, names):
        return "no other part of a date or time beside it"
    return "" if _fills(circle, values) else "whole numbers with gaps, or too few of them"


def _has_company(name: str, stem: str, word: str, names: Sequence[str]) -> bool:
    """Whether another column with the same beginning is a part of a date or time."""
    for other in names:
        found = _BEFORE.fullmatch(other)
        if other == name or not found:
            continue
        if found.group(2).lower() in _AMBIGUOUS and word.lower() not in _HOURS:
            continue
        if found.group(1).rstrip("_- ").lower() == stem.lower():
            return True
    return False


def _fills(circle: _Circle, values: pa.Array) -> bool:
    """Whether whole numbers fill what they span, and that is a good part of the circle."""
    present = values.drop_null().cast(pa.float64())
    if not pc.all(pc.equal(present, pc.floor(present))).as_py():
        return False
    distinct = len(present.unique())
    bounds = pc.min_max(present).as_py()
    span = bounds["max"] - bounds["min"] + 1
    steps = circle.last - circle.first
    return bool(distinct >= _FILLED * span and 2 * span >= steps) or _in_steps(present, steps)


def _in_steps(present: pa.Array, steps: float) -> bool:
    """Whether the values come in equal steps round the circle: 0, 15, 30 and 45 minutes."""
    ordered = pc.array_sort_indices(present.unique())
    values = present.unique().take(ordered).to_numpy()
    if len(values) < 3 or len(values) > steps:
        return False
    gaps = values[1:] - values[:-1]
    return bool((gaps == gaps[0]).all() and gaps[0] * len(values) in (steps, steps + gaps[0]))


def _goes_round(circle: _Circle, values: pa.Array) -> bool:
    """Whether the values lie nearly all round the circle."""
    bounds = pc.min_max(values).as_py()
    wide = bounds["max"] - bounds["min"] >= _WIDE * circle.period
    return bool(wide and len(values.unique().drop_null()) >= _FEWEST)
