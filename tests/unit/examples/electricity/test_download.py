"""The demo data of series: a row each half hour, written once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from contracts.errors import DataError
from examples.electricity import download


def _frame(rows: int) -> pd.DataFrame:
    values = np.arange(rows, dtype=np.float64)
    return pd.DataFrame({"Demand": values, "Temperature": values, "WorkDay": values % 2})


def test_half_hours_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "ROWS", 3)
    monkeypatch.setattr(download, "load_frame", lambda package, item: _frame(3))
    assert download.write_electricity(tmp_path, force=False).written
    (path,) = tmp_path.iterdir()
    times = pq.read_table(path)["time"].to_numpy()
    assert times.astype("datetime64[m]").tolist() == [
        np.datetime64(f"2014-01-01T{time}").item() for time in ("00:00", "00:30", "01:00")
    ]
    assert not download.write_electricity(tmp_path, force=False).written
    assert download.write_electricity(tmp_path, force=True).written


def test_other_data_than_those_known_are_refused() -> None:
    with pytest.raises(DataError, match="other electricity data") as caught:
        download.to_table(_frame(5))
    assert (caught.value.expected, caught.value.received) == ("17,520 half hours", "5")
