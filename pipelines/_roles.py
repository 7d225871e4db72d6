"""What a column of unknown data is likely to be: a feature and its type, or none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen import kinds
from pipelines._sample import NESTED, TIME, Column, count_distinct

_MANY_CATEGORIES = 50
_ENOUGH_ROWS = 20
_WORDS_OF_TEXT = 4.0
_NEARLY_ALL = 0.9
_ID_NAME = re.compile(
    r"(^|[_\s-])(id|uuid|guid|key|index|rownames?|row)$|^(id|unnamed|$)", re.IGNORECASE
)
_CODE_NAME = re.compile(r"(^|[_\s-])(id|code|zip|zipcode|type|category|group|flag)$", re.IGNORECASE)
_DATE = r"^\d{4}-\d\d?-\d\d?([T ]\d\d?:\d\d.*)?$|^\d\d?[./]\d\d?[./]\d{2,4}( \d\d?:\d\d.*)?$"
# Name, first value, last value, period.
_CIRCLES = (
    (r"hour|hr", 0, 24, 24),
    (r"minute|min", 0, 60, 60),
    (r"month", 1, 12, 12),
    (r"weekday|day_?of_?week|dow", 0, 7, 7),
    (r"day_?of_?year|doy", 0, 366, 366),
    (r"wind_?dir(ection)?|bearing|heading|azimuth|angle", 0, 360, 360),
)


@dataclass(frozen=True)
class Role:
    """What becomes of one column.

    Attributes:
      name: The column.
      spec: The feature's keys and values as they stand in the config; empty where the
        column is left out.
      note: Why, for the comment.
      time: Whether the column could order rows for a chronological split.
    """

    name: str
    spec: dict[str, str | int | bool]
    note: str
    time: bool = False


def role_of(column: Column, rows: int) -> Role:
    """The likeliest role of a column that is not the label."""
    if column.kind == NESTED:
        return _left_out(column, "holds lists or structs")
    if column.missing == rows:
        return _left_out(column, "has no value")
    distinct = count_distinct(column.values)
    if distinct == 1:
        return _left_out(column, "has one value only")
    if column.kind == TIME or (column.kind == kinds.TEXT and _looks_like_dates(column)):
        return Role(column.name, {}, "a date or time", time=True)
    if column.kind == kinds.BOOL:
        return _with_indicator(column, {"type": "boolean"}, "")
    if column.kind == kinds.TEXT:
        return _text(column, rows, distinct)
    return _number(column, rows, distinct)


def tells_label(column: Column, label: Column, rows: int) -> bool:
    """Whether each value of the column goes with one value of the label, and the reverse.

    Such a column is the label by another name, and would not be known in time.
    """
    few = count_distinct(label.values)
    if rows < _ENOUGH_ROWS or count_distinct(column.values) != few or column.missing:
        return False
    both = pa.table({"column": column.values, "label": label.values})
    return int(both.group_by(["column", "label"]).aggregate([]).num_rows) == few


def _left_out(column: Column, note: str) -> Role:
    return Role(column.name, {}, note)


def _text(column: Column, rows: int, distinct: int) -> Role:
    present = rows - column.missing
    if distinct <= min(_MANY_CATEGORIES, max(2, present // 5)):
        return Role(column.name, {"type": "categorical"}, f"{distinct} values")
    if distinct > _NEARLY_ALL * present:
        spaces = pc.count_substring(column.values, " ")
        free = float(pc.mean(spaces).as_py()) >= _WORDS_OF_TEXT
        return _left_out(column, "free text" if free else "nearly every value is another")
    return Role(column.name, _vocabulary(rows), f"{distinct:,} values")


def _vocabulary(rows: int) -> dict[str, str | int | bool]:
    return {"type": "vocabulary", "min_count": 5 if rows >= 2_000 else 2}


def _number(column: Column, rows: int, distinct: int) -> Role:
    low, high = _range(column.values)
    whole = column.kind == kinds.INT
    if distinct == 2 and (low, high) == (0, 1):
        return _with_indicator(column, {"type": "boolean"}, "0 or 1")
    if whole and not column.missing and _is_id(column, rows, distinct, high - low):
        return _left_out(column, "numbers the rows")
    period = _period(column.name, low, high)
    if period:
        return _with_indicator(column, {"type": "cyclic", "period": period}, "")
    if whole and _CODE_NAME.search(column.name):
        if distinct <= _MANY_CATEGORIES:
            return Role(column.name, {"type": "categorical"}, f"a code of {distinct} values")
        return Role(column.name, _vocabulary(rows), f"a code of {distinct:,} values")
    few = whole and distinct <= 10 and rows >= 10 * distinct
    note = f"{distinct} values: categorical, if they are codes" if few else ""
    return _with_indicator(column, {"type": "numeric"}, note)


def _with_indicator(column: Column, spec: dict[str, str | int | bool], note: str) -> Role:
    if not column.missing:
        return Role(column.name, spec, note)
    share = 100 * column.missing / len(column.values)
    missing = f"missing in {share:.1g} % of rows" if share < 1 else f"missing in {share:.0f} %"
    notes = [one for one in (note, missing) if one]
    return Role(column.name, {**spec, "missing_indicator": True}, "; ".join(notes))


def _is_id(column: Column, rows: int, distinct: int, spread: float) -> bool:
    if rows < _ENOUGH_ROWS or distinct < rows:
        return False
    return bool(_ID_NAME.search(column.name)) or spread == rows - 1


def _period(name: str, low: float, high: float) -> int | None:
    for pattern, first, last, period in _CIRCLES:
        named = re.search(rf"(^|[_\s-])({pattern})$", name, re.IGNORECASE)
        if named and first <= low and high <= last:
            return period
    return None


def _range(values: pa.Array) -> tuple[float, float]:
    bounds = pc.min_max(values).as_py()
    return float(bounds["min"]), float(bounds["max"])


def _looks_like_dates(column: Column) -> bool:
    text = column.values.drop_null()
    return bool(pc.all(pc.match_substring_regex(text, _DATE)).as_py())


def first_time(roles: Sequence[Role]) -> str | None:
    """The first column that could order rows in time."""
    return next((role.name for role in roles if role.time), None)
