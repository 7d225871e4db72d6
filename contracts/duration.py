"""Durations as people write them: `90s`, `30m`, `12h`, `2d`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PATTERN = r"^[1-9][0-9]{0,6}[smhd]$"

Duration = Annotated[str, Field(pattern=_PATTERN)]
"""A number and its unit: s, m, h or d."""


def seconds_of(duration: str) -> int:
    """Gives the seconds of a duration.

    Raises:
      ValueError: it is none.
    """
    if not re.match(_PATTERN, duration):
        raise ValueError(f"expected a number and s, m, h or d, such as 12h; received {duration!r}")
    return int(duration[:-1]) * _UNITS[duration[-1]]
