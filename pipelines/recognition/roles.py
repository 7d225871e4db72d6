"""What a column of unknown data is likely to be: a feature and its type, or none."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen import kinds
from models.data.dates import calendar_part
from models.data.text import text_of
from models.features.kind import ColumnProfile, ConfigKeys, FeatureKind, Profiled
from models.features.registry import KINDS
from models.features.text import words_a_text
from pipelines.recognition.sample import NESTED, TIME, Column, count_distinct

_ENOUGH_ROWS = 20
_WORDS_OF_TEXT = 4.0
_FEWEST_WORDS_ALONE = 2.0
_NEARLY_ALL = 0.9
_ENOUGH_WORDS = 10
_LOOKS_LIKE_NUMBER = r"^[^\pL\d]{0,3}\d[\d.,'\s]*[^\pL\d]{0,2}$"
# Draws from so few numbers would hardly ever all differ: by chance less than once in 1,000.
_ALLOTTED = 7.0
_ID_NAME = re.compile(
    r"(^|[_\s-])(id|uuid|guid|key|index|rownames?|row|no|nr|num|number|serial)$|^(id|unnamed|$)",
    re.IGNORECASE,
)
# The parts of a date that become features. Days after train's last one count as the last one.
_PARTS: Mapping[str, ConfigKeys] = {
    "month": {"type": "cyclic", "period": 12},
    "weekday": {"type": "cyclic", "period": 7},
    "hour": {"type": "cyclic", "period": 24},
    "days": {"type": "numeric", "scale": "quantile"},
}
# Fewer days say no more than their weekday and month.
_TREND_DAYS = 60
_FREE, _ALL_DISTINCT = "free text of few words", "nearly every value is another"
_NOTES = {"days": "the day in all of time: a trend; take it out where there is none"}
_PROFILES: Mapping[str, Profiled] = {
    kinds.BOOL: "booleans",
    kinds.INT: "integers",
    kinds.FLOAT: "numbers",
    kinds.TEXT: "text",
}


@dataclass(frozen=True)
class Role:
    """What becomes of one column.

    Attributes:
      name: The column.
      spec: The feature's keys and values as they stand in the config; empty where the
        column is left out.
      note: Why, for the comment.
      time: Whether the column could order rows for a chronological split.
      source: The date that it is a part of, or nothing.
      part: Which part.
    """

    name: str
    spec: ConfigKeys
    note: str
    time: bool = False
    source: str = ""
    part: str = ""


def role_of(column: Column, rows: int, names: Sequence[str]) -> Role:
    """The likeliest role of a column that is not the label; `names` are all columns."""
    if column.kind == NESTED:
        return _left_out(column, "holds lists or structs")
    if column.missing == rows:
        return _left_out(column, "has no value")
    distinct = count_distinct(column.values)
    if distinct == 1:
        return _left_out(column, "has one value only")
    if column.kind == TIME:
        return Role(column.name, {}, "a date or time", time=not column.missing)
    profile = _profile(column, rows, distinct, names)
    left_out = _why_left_out(column, profile)
    if left_out:
        return _left_out(column, left_out)
    for kind in KINDS.values():
        found = kind.recognize(profile)
        if found is not None:
            note = _nearly_numbers(column) if profile.kind == "text" else ""
            return _with_indicator(column, kind, found.keys, note or found.note)
    return _left_out(column, "no kind of feature takes it")


def _profile(column: Column, rows: int, distinct: int, names: Sequence[str]) -> ColumnProfile:
    kind = _PROFILES[column.kind]
    low, high = (math.nan, math.nan) if kind == "text" else _range(column.values)
    return ColumnProfile(column.name, column.values, kind, rows, distinct, low, high, tuple(names))


def calendar_roles(column: Column, names: Sequence[str]) -> list[Role]:
    """The features that a date gives."""
    if column.moments is None:
        return []
    roles: list[Role] = []
    for part, keys in _PARTS.items():
        name = f"{column.name}_{part}"
        fewest = _TREND_DAYS if part == "days" else 2
        if name not in names and count_distinct(calendar_part(column.moments, part)) >= fewest:
            note = _NOTES.get(part, f"the {part} of {column.name}")
            role = Role(name, keys, note)
            # One indicator says that the date is missing, however many parts it has.
            if not roles:
                role = _with_indicator(
                    replace(column, name=name), KINDS[str(keys["type"])], keys, note
                )
            roles.append(replace(role, source=column.name, part=part))
    return roles


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


def _why_left_out(column: Column, profile: ColumnProfile) -> str:
    """Why a column that has values is no feature; empty where it may be one."""
    if profile.kind == "integers" and not column.missing:
        return _why_id(column, profile)
    # Two values are a category, however few rows there are.
    if profile.kind != "text" or profile.distinct <= max(2, _NEARLY_ALL * profile.present):
        return ""
    if any(kind.raw_values == "text" and kind.recognize(profile) for kind in KINDS.values()):
        return ""
    spaces = pc.count_substring(column.values, " ")
    free = float(pc.mean(spaces).as_py()) >= _WORDS_OF_TEXT
    return _nearly_numbers(column) or (_FREE if free else _ALL_DISTINCT)


def _nearly_numbers(column: Column) -> str:
    """Why text of which nearly all are numbers cannot be read as numbers; or nothing."""
    words = pc.utf8_trim_whitespace(text_of(column.values.unique().drop_null()))
    looks = pc.match_substring_regex(words, _LOOKS_LIKE_NUMBER)
    others = words.filter(pc.invert(looks))
    if len(words) < _ENOUGH_WORDS or len(others) > (1 - _NEARLY_ALL) * len(words):
        return ""
    if not len(others):
        pair = _unlike(words)
        if not all(pair):
            return ""
        shown = " and ".join(map(repr, pair))
        return f"numbers that are not all written in one way, such as {shown}: write them alike"
    share = 100 * (1 - len(others) / len(words))
    return (
        f"{share:.0f} % of its values are numbers, but not {others[0].as_py()!r}: "
        "add it to data.null_values, or correct it, to read numbers"
    )


def _unlike(words: pa.Array) -> tuple[str, str]:
    """Two numbers that are written in different ways: with a comma, and without."""
    comma = pc.match_substring(words, ",")
    with_comma, without = words.filter(comma), words.filter(pc.invert(comma))
    return (
        with_comma[0].as_py() if len(with_comma) else "",
        without[0].as_py() if len(without) else "",
    )


def _with_indicator(column: Column, kind: type[FeatureKind], keys: ConfigKeys, note: str) -> Role:
    if not column.missing or "missing_indicator" not in kind.model_fields:
        return Role(column.name, keys, note)
    share = 100 * column.missing / len(column.values)
    missing = f"missing in {share:.1g} % of rows" if share < 1 else f"missing in {share:.0f} %"
    notes = [text for text in (note, missing) if text]
    return Role(column.name, {**keys, "missing_indicator": True}, "; ".join(notes))


def _why_id(column: Column, profile: ColumnProfile) -> str:
    """Why whole numbers identify the rows; empty where they do not."""
    rows, spread = profile.rows, profile.high - profile.low
    if rows < _ENOUGH_ROWS or profile.distinct < rows:
        return ""
    if spread == rows - 1:
        return "numbers the rows"
    if _ID_NAME.search(column.name):
        return "an id: its name says so, and no value comes twice"
    # The birthday paradox: as many draws, from an even distribution or any other.
    if rows * (rows - 1) / (2 * (spread + 1)) >= _ALLOTTED:
        return (
            f"an id: {rows:,} whole numbers from {profile.low:.0f} to {profile.high:.0f}, and "
            "none comes twice; numeric, if it is a quantity"
        )
    return ""


def _range(values: pa.Array) -> tuple[float, float]:
    bounds = pc.min_max(values).as_py()
    return float(bounds["min"]), float(bounds["max"])


def only_texts(roles: Sequence[Role], columns: Mapping[str, Column]) -> list[Role]:
    """Makes texts of few words features, where nothing else could be one."""
    if any(role.spec for role in roles):
        return list(roles)
    return [_text_of_few_words(role, columns[role.name]) for role in roles]


def _text_of_few_words(role: Role, column: Column) -> Role:
    if role.note not in (_FREE, _ALL_DISTINCT):
        return role
    words = words_a_text(column.values)
    if words < _FEWEST_WORDS_ALONE:
        return role
    note = f"texts of {words:.0f} words; nothing else can be a feature"
    return replace(role, spec={"type": "text"}, note=note)


def first_time(roles: Sequence[Role]) -> str | None:
    """The first column that could order rows in time."""
    return next((role.name for role in roles if role.time), None)
