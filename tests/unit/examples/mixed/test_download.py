"""The demo data of several kinds: each flight has the hours of weather before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from contracts.errors import DataError
from examples.mixed import download

FRAMES = {
    "flights": pd.DataFrame(
        {
            "year": 2013,
            "month": 1,
            "day": 2,
            "sched_dep_time": [515, 830, 900],
            "sched_arr_time": [700, 1100, 1200],
            "arr_delay": [20.0, 15.0, np.nan],
            "origin": ["EWR", "JFK", "EWR"],
            "dest": "ATL",
            "distance": 760,
            "carrier": ["UA", "DL", "UA"],
            "time_hour": [f"2013-01-02T{hour}:00:00Z" for hour in ("03", "04", "05")],
        }
    ),
    # JFK has no reading at 02:00, and LGA no flight.
    "weather": pd.DataFrame(
        {
            "origin": ["EWR"] * 4 + ["JFK"] * 3 + ["LGA"],
            "time_hour": [f"2013-01-02T{hour:02d}:00:00Z" for hour in (1, 2, 3, 4, 1, 3, 4, 4)],
            **{reading: np.arange(8.0) for reading in download.READINGS},
        }
    ),
    "airlines": pd.DataFrame({"carrier": ["DL", "UA"], "name": ["Delta", "United"]}),
}


def test_a_flight_has_the_hours_up_to_its_departure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "STEPS", 4)
    table = download.to_table(**FRAMES)
    nan = float("nan")
    np.testing.assert_array_equal(table["visib_past"].to_pylist(), [[nan, 0, 1, 2], [4, nan, 5, 6]])
    assert table["airline"].to_pylist() == ["United", "Delta"]
    assert table["delayed"].to_pylist() == [1, 0]
    assert table["dep_hour"].to_pylist() == [5, 8]


def test_flights_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "load_frame", lambda package, item: FRAMES[item])
    out = tmp_path / "mixed"
    assert download.write_mixed(out, force=False) == download.MixedReport(out, 2, True)
    assert pq.read_metadata(out / download.FILE).num_rows == 2
    assert download.write_mixed(out, force=False) == download.MixedReport(out, 2, False)
    assert download.write_mixed(out, force=True).written
    (out / "digest.json").unlink()
    with pytest.raises(DataError, match="kelp data mixed"):
        download.write_mixed(out, force=True)
