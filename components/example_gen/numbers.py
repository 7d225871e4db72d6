"""Numbers as people write them: decimal commas, thousands separators, units.

Only what is certain is read: `1.234` is no number where the decimal mark is a comma and no
thousands separator is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

_BLANKS = " \u00a0\u2009\u202f"
_QUOTES = "'\u2019"
_BLANK = f"[{_BLANKS}]?"
_PROBE = 64
# Signs and abbreviations that stand beside a number; anything else could be part of a code.
_CURRENCIES = {"€", "$", "£", "¥", "₹", "₽", "₩", "₺", "zł", "Kč", "kr", "kr.", "Fr.", "R$", "US$"}
_CURRENCIES |= {"EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "SEK", "NOK", "DKK", "PLN"}
_MEASURES = {"%", "‰", "°", "°C", "°F", "mg", "g", "kg", "t", "lb", "lbs", "oz", "ml", "l", "hl"}
_MEASURES |= {"mm", "cm", "m", "km", "in", "ft", "mi", "m²", "m2", "ha", "km²", "km2"}
_MEASURES |= {"km/h", "mph", "m/s", "kn", "ms", "s", "sec", "min", "h"}
_MEASURES |= {"kW", "MW", "Wh", "kWh", "MWh", "hPa", "mbar", "bar"}
MARKS = (
    (".", ""),
    (".", ","),
    (",", ""),
    (",", "."),
    (".", " "),
    (",", " "),
    (".", "'"),
    (",", "'"),
)
# What Arrow reads as a number, too.
_SPECIAL = r"[+-]?(?i:nan|inf|infinity)"


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of one column are written.

    Attributes:
      decimal: The decimal mark.
      thousands: What stands between groups of three digits; empty where nothing does. A
        blank stands for every kind of blank, an apostrophe for both kinds.
      unit: What may stand before or after each number, such as `€` or `%`.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether Arrow reads such numbers by itself."""
        return self == NumberForm()


def to_plain(text: pa.Array, form: NumberForm) -> pa.Array | None:
    """Rewrites numbers as Arrow reads them.

    Args:
      text: Trimmed text; null is missing.
      form: How the numbers are written.

    Returns:
      The same numbers with a decimal point and nothing else; None where a value is not
      written in this form.
    """
    fits = pc.match_substring_regex(text, f"{_pattern(form)}|^{_SPECIAL}$")
    if not pc.all(fits, min_count=0).as_py():
        return None
    digits = pc.replace_substring_regex(text, _pattern(form), r"\1\2\3")
    if form.thousands:
        digits = pc.replace_substring_regex(digits, _separator(form), "")
    return digits if form.decimal == "." else pc.replace_substring(digits, form.decimal, ".")


def likely_form(words: pa.Array, marks: Sequence[tuple[str, str]] = MARKS) -> NumberForm | None:
    """Gives the first form in which all of the values are written; None where none fits.

    Args:
      words: Distinct values, none missing.
      marks: Decimal marks and thousands separators to try, in this order.
    """
    if not len(words):
        return None
    words = pc.utf8_trim_whitespace(words)
    for unit in _likely_units(words):
        for decimal, thousands in marks:
            form = NumberForm(decimal, thousands, unit)
            if to_plain(words[:_PROBE], form) is not None and to_plain(words, form) is not None:
                return form
    return None


def _likely_units(words: pa.Array) -> list[str]:
    """No unit, or else the one that is all there is beside digits, marks and blanks."""
    rest = pc.replace_substring_regex(words, rf"[\d{_BLANKS}{_QUOTES},+-]|\.\d|\d\.", "")
    units = [unit for unit in rest.unique().to_pylist() if unit]
    if not units:
        return [""]
    if len(units) > 1 or units[0] not in _CURRENCIES | _MEASURES:
        return []
    # A letter before a number makes a code of it: t1.
    before = units[0] not in _CURRENCIES and pc.any(pc.starts_with(words, units[0])).as_py()
    return [] if before else units


@lru_cache(maxsize=256)
def _pattern(form: NumberForm) -> str:
    """A number with its sign and unit; the groups are the sign, twice, and the digits."""
    whole, mark = r"\d+", re.escape(form.decimal)
    if form.thousands:
        whole = rf"(?:[1-9]\d{{0,2}}(?:{_separator(form)}\d{{3}})+|\d+)"
    digits = rf"((?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?)"
    if not form.unit:
        return rf"^\+?(-)?(){digits}$"
    unit = re.escape(form.unit)
    # A sign on either side of the unit: -$5 and $-5.
    before = rf"(?:\+|(-))?(?:{unit}{_BLANK}(?:\+|(-))?)?"
    return rf"^{before}{digits}(?:{_BLANK}{unit})?$"


def _separator(form: NumberForm) -> str:
    if form.thousands in _BLANKS:
        return f"[{_BLANKS}]"
    return f"[{_QUOTES}]" if form.thousands in _QUOTES else re.escape(form.thousands)
