"""The time between steps as the config writes it, and as a model keeps what was learned."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

_SECOND = 1_000_000
_UNITS = {"us": 1, "ms": 1000, "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND}
_UNITS["d"] = 24 * _UNITS["h"]
_PATTERN = r"^([1-9][0-9]{0,11})(us|ms|s|m|h|d)$"

StepText = Annotated[str, Field(pattern=_PATTERN)]
"""A number and its unit: us, ms, s, m, h or d."""


def microseconds_of(text: str) -> int:
    """Gives the microseconds of a step.

    Raises:
      ValueError: It is none.
    """
    match = re.match(_PATTERN, text)
    if match is None:
        raise ValueError(f"expected a number and its unit, such as 30m; received {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def step_text(microseconds: int) -> str:
    """Gives a step in the largest unit of which it is a multiple."""
    unit = next(unit for unit in reversed(_UNITS) if microseconds % _UNITS[unit] == 0)
    return f"{microseconds // _UNITS[unit]}{unit}"
