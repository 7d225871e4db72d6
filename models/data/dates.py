"""Dates and times: from text in a given form to moments, and to calendar features.

A moment is a `timestamp("us")` without a zone; times with a zone are taken in UTC.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from models.data.text import cast_or_none, first_failing

ISO = "iso"
MOMENT = pa.timestamp("us")
_PROBE = 64
PARTS = ("year", "month", "day", "day_of_year", "weekday", "weekend", "hour", "minute", "days")

_SATURDAY = 6
_MONTHS = (
    ("jan", "january"),
    ("feb", "february"),
    ("mar", "march"),
    ("apr", "april"),
    ("may",),
    ("jun", "june"),
    ("jul", "july"),
    ("aug", "august"),
    ("sep", "september", "sept"),
    ("oct", "october"),
    ("nov", "november"),
    ("dec", "december"),
)
_MONTH_NAMES = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "b": r"(?P<b>[A-Za-z]{3,9})\.?",
    "d": r"(?P<d>\d{1,2})",
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<I>\d{1,2})",
    "M": r"(?P<M>\d{2})",
    "S": r"(?P<S>\d{2})",
    "f": r"(?P<f>\d{1,6})",
    "p": r"(?P<p>[AaPp])\.?[Mm]\.?",
}
_NEEDS = {"m": "Yy", "b": "Yy", "d": "mb", "H": "d", "I": "p", "p": "I"}
_NEEDS |= {"M": "HI", "S": "M", "f": "S"}
_ZONED = r":\d{2}(\.\d+)?(Z|[+-]\d{2}(:?\d{2})?)$"
_MICROSECONDS = r"(\.\d{6})\d+"


def check_form(form: str) -> None:
    """Refuses a form that cannot be read.

    Raises:
      ValueError: It is neither `iso` nor made of the directives that are known.
    """
    if form != ISO:
        _pattern(form)


def column_moments(values: pa.Array, form: str) -> pa.Array | None:
    """Gives the moments of a column; None where a value is no date in this form.

    Args:
      values: Text in the given form, or typed dates and times of any form.
      form: `iso`, or directives such as `%d.%m.%Y`.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_date(values.type):
        return values.cast(pa.timestamp("ms")).cast(MOMENT)
    if pa.types.is_timestamp(values.type):
        # The number is the time in UTC, whatever the zone that the type names.
        unit = pa.timestamp(values.type.unit)
        return values.cast(pa.int64()).cast(unit).cast(MOMENT, safe=False)
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), MOMENT)
    encoded = values.dictionary_encode()
    words = pc.utf8_trim_whitespace(encoded.dictionary.cast(pa.string()))
    words = pc.if_else(pc.equal(words, ""), pa.scalar(None, pa.string()), words)
    moments = iso_moments(words) if form == ISO else _formed_moments(words, form)
    return None if moments is None else moments.take(encoded.indices)


def iso_moments(text: pa.Array) -> pa.Array | None:
    """Gives the moments of ISO dates and times; None where a value is none."""
    text = pc.replace_substring_regex(text, _MICROSECONDS, r"\1")
    zoned = pc.match_substring_regex(text, _ZONED)
    nothing = pa.scalar(None, pa.string())
    local = cast_or_none(pc.if_else(zoned, nothing, text), MOMENT)
    moved = cast_or_none(pc.if_else(zoned, text, nothing), pa.timestamp("us", "UTC"))
    if local is None or moved is None:
        return None
    return pc.coalesce(local, moved.cast(pa.int64()).cast(MOMENT))


def iso_text(moments: pa.Array) -> pa.Array:
    """Gives moments as ISO text: date and time, with a fraction where there is one."""
    return pc.replace_substring_regex(moments.cast(pa.string()), r"\.?0*$", "").cast(pa.binary())


def calendar_part(moments: pa.Array, part: str) -> pa.Array:
    """Gives one of `PARTS` as int64.

    A weekday is 1 on Monday and 7 on Sunday, a weekend 1 on Saturday and Sunday; days are
    counted from 1970-01-01.
    """
    if part == "days":
        return (
            pc.floor_temporal(moments, unit="day")
            .cast(pa.date32())
            .cast(pa.int32())
            .cast(pa.int64())
        )
    if part == "weekend":
        return pc.greater_equal(calendar_part(moments, "weekday"), _SATURDAY).cast(pa.int64())
    if part == "weekday":
        return pc.day_of_week(moments, count_from_zero=False, week_start=1).cast(pa.int64())
    return getattr(pc, part)(moments).cast(pa.int64())


def first_no_date(values: pa.Array, form: str) -> int:
    """Gives the position of the first value that is no date in this form."""
    return first_failing(values, lambda part: column_moments(part, form))


def _formed_moments(words: pa.Array, form: str) -> pa.Array | None:
    pattern, directives = _pattern(form)
    fields = pc.extract_regex(words, pattern)
    if fields.null_count > words.null_count:
        return None
    valid = words.is_valid()
    parts = dict(zip(directives, (_where(valid, part) for part in fields.flatten()), strict=True))
    month = _month_numbers(parts["b"]) if "b" in parts else parts["m"]
    date = _joined([_year(parts), month, parts.get("d", _where(valid, "1"))], "-")
    clock = [_hour(parts, valid), parts.get("M", _where(valid, "0"))]
    time = _joined([*clock, parts.get("S", _where(valid, "0"))], ":")
    fraction = pc.utf8_rpad(parts.get("f", _where(valid, "0")), 6, "0")
    text = pc.binary_join_element_wise(date, time, " ")
    return cast_or_none(pc.binary_join_element_wise(text, fraction, "."), MOMENT)


@lru_cache(maxsize=256)
def _pattern(form: str) -> tuple[str, tuple[str, ...]]:
    """The form as a regular expression, and its directives in their order."""
    pattern, directives = "", ""
    for token in re.findall(r"%.?|\s+|[^%\s]+", form):
        if token.startswith("%"):
            letter = "b" if token == "%B" else token[1:]
            if letter not in _DIRECTIVES or letter in directives:
                twice = "comes twice" if letter in directives else "is not known"
                known = ", ".join(f"%{one}" for one in _DIRECTIVES)
                raise ValueError(f"{form!r}: {token} {twice}; known are {known}")
            directives += letter
            pattern += _DIRECTIVES[letter]
        else:
            pattern += r"\s+" if token.isspace() else re.escape(token)
    _check_directives(form, directives)
    return f"^{pattern}$", tuple(directives)


def _check_directives(form: str, directives: str) -> None:
    for pair in ("Yy", "mb", "HI"):
        if all(letter in directives for letter in pair):
            raise ValueError(f"{form!r} says the same thing twice: %{pair[0]} and %{pair[1]}")
    if not {"m", "b"} & set(directives):
        raise ValueError(f"{form!r} is no form of a date: use 'iso' or such as '%d.%m.%Y %H:%M'")
    for letter in directives:
        needed = _NEEDS.get(letter, letter)
        if not set(needed) & set(directives):
            raise ValueError(f"{form!r} has %{letter}, but no %{' or %'.join(needed)}")


def _year(parts: dict[str, pa.Array]) -> pa.Array:
    if "Y" in parts:
        return parts["Y"]
    # As POSIX reads two digits: 69 to 99 are 1969 to 1999.
    century = pc.if_else(pc.greater_equal(parts["y"], "69"), "19", "20")
    return pc.binary_join_element_wise(century, parts["y"], "")


def _hour(parts: dict[str, pa.Array], valid: pa.Array) -> pa.Array:
    if "I" not in parts:
        return parts.get("H", _where(valid, "0"))
    hour = parts["I"].cast(pa.int64())
    # Neither 0 nor 13 is on a clock of twelve hours.
    on_clock = pc.and_(pc.greater_equal(hour, 1), pc.less_equal(hour, 12))
    from_twelve = pc.if_else(pc.equal(hour, 12), 0, hour)
    afternoon = pc.equal(pc.utf8_lower(parts["p"]), "p")
    of_day = pc.if_else(afternoon, pc.add(from_twelve, 12), from_twelve)
    return pc.if_else(on_clock, of_day.cast(pa.string()), "99")


def _month_numbers(names: pa.Array) -> pa.Array:
    at = pc.index_in(pc.utf8_lower(names), value_set=pa.array(_MONTH_NAMES))
    numbers = pa.array(map(str, _MONTH_NAMES.values())).take(at)
    # A word that is no month must not become a missing date.
    return pc.if_else(names.is_valid(), pc.fill_null(numbers, "99"), pa.scalar(None, pa.string()))


def _joined(numbers: list[pa.Array], mark: str) -> pa.Array:
    return pc.binary_join_element_wise(*(pc.utf8_lpad(one, 2, "0") for one in numbers), mark)


def _where(valid: pa.Array, text: pa.Array | str) -> pa.Array:
    return pc.if_else(valid, text, pa.scalar(None, pa.string()))


def likely_formats(text: pa.Array) -> list[str]:
    """Gives the common forms that all of the values are written in, the likeliest first."""
    words = text.unique().drop_null()
    probe = words[:_PROBE]
    first = next(iter(probe.to_pylist()), "").strip()
    return [
        form
        for form in _common_formats()
        if len(words)
        and _may_fit(first, form)
        and column_moments(probe, form) is not None
        and column_moments(words, form) is not None
    ]


def _may_fit(word: str, form: str) -> bool:
    """Whether a trimmed word has the shape of the form: a column costs a hundred times more."""
    if form == ISO or not word:
        return True
    return re.match(_pattern(form)[0], word) is not None


@lru_cache(maxsize=1)
def _common_formats() -> tuple[str, ...]:
    dates = ["%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d"]
    dates += ["%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d. %b %Y"]
    dates += ["%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%b-%y"]
    times = ["", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", ", %H:%M"]
    return (ISO, *(date + time for date in dates for time in times))
