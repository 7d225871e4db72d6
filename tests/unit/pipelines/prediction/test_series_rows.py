"""The newest window of each series in a long table, as a model takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen.config import RawFormat
from components.example_gen.series.findings import SeriesFindings
from components.example_gen.series.learned import with_learned_step
from contracts.errors import ConfigError, DataError
from pipelines.commands.predict import RowOptions, predict
from pipelines.prediction import series_rows
from pipelines.prediction.series_rows import long_table

NAN = float("nan")
SIZES = {"the load_past": 4, "wind_past": 4, "wind_future": 2}
TYPES = {**dict.fromkeys(SIZES, "number"), "site": "text", "wind": "number", "at_hour": "integer"}
RAW = RawFormat.model_validate(
    {
        "dates": {"at": {"parts": ["hour"]}},
        "series": {
            "time": "at",
            "id": "meter",
            "context": 4,
            "horizon": 2,
            "known": ["wind"],
            "static": ["site"],
        },
    }
)


def _frame() -> pd.DataFrame:
    """Two meters: of b the load ends two hours earlier, and one hour is missing."""
    parts = []
    for meter, last in (("a", 8), ("b", 6)):
        hours = np.arange(10)
        load = np.where(hours < last, hours + (100 if meter == "b" else 0), NAN)
        times = pd.Timestamp("2024-05-01") + pd.to_timedelta(hours, "h")
        part = pd.DataFrame(
            {"at": times, "meter": meter, "the load": load, "wind": hours / 10.0, "site": "roof"}
        )
        parts.append(part[part["at"].dt.hour != 4] if meter == "b" else part)
    return pd.concat(parts).sample(frac=1, random_state=1)


def _write(folder: Path, frame: pd.DataFrame, suffix: str = "parquet") -> Path:
    path = folder / f"rows.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path, index=False)
    return path


def _rows(path: Path) -> Any:
    rows = long_table(path, TYPES, SIZES, RAW)
    assert rows is not None
    assert not rows.missing
    ((table, kept),) = rows.tables_and_kept()
    return table.to_pydict(), kept.to_pydict()


def test_the_step_that_the_model_learned_holds_for_tables_that_do_not_show_it(
    tmp_path: Path,
) -> None:
    raw = with_learned_step(RAW, SeriesFindings(step=3600 * 10**6))
    frame = _frame()
    even = frame[(frame["at"].dt.hour % 2 == 0) & (frame["meter"] == "a")]
    for rows, wanted in (
        (even, [NAN, 4, NAN, 6]),
        (even[even["at"].dt.hour == 6], [NAN] * 3 + [6]),
    ):
        series = long_table(_write(tmp_path, rows), TYPES, SIZES, raw)
        assert series is not None
        ((table, kept),) = series.tables_and_kept()
        np.testing.assert_array_equal(table["the load_past"].to_pylist(), [wanted])
        assert kept["at"].to_pylist() == ["2024-05-01 07:00:00"]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("most_rows", [1 << 20, 3])
def test_the_newest_window_begins_after_the_last_measured_value(
    tmp_path: Path, suffix: str, most_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_rows, "_MOST_ROWS", most_rows)
    windows, kept = _rows(_write(tmp_path, _frame(), suffix))
    assert kept == {"meter": ["a", "b"], "at": ["2024-05-01 08:00:00", "2024-05-01 06:00:00"]}
    np.testing.assert_array_equal(windows["the load_past"], [[4, 5, 6, 7], [102, 103, NAN, 105]])
    np.testing.assert_allclose(
        windows["wind_past"], [[0.4, 0.5, 0.6, 0.7], [0.2, 0.3, NAN, 0.5]], rtol=1e-6
    )
    np.testing.assert_allclose(windows["wind_future"], [[0.8, 0.9], [0.6, 0.7]], rtol=1e-6)
    assert windows["at_hour"] == [8, 6]
    assert windows["site"] == ["roof", "roof"]
    assert windows["wind"] == [0.8, 0.6]


@pytest.mark.parametrize("at_once", [4096, 3])
def test_every_start_with_a_whole_context_is_a_window_where_all_are_asked_for(
    tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_rows, "_MOST_ROWS", 3)
    monkeypatch.setattr(series_rows, "_WINDOWS_AT_ONCE", at_once)
    rows = long_table(_write(tmp_path, _frame()), TYPES, SIZES, RAW, all_starts=True)
    parts = list(rows.tables_and_kept())
    kept = pa.concat_tables([part for _, part in parts]).to_pydict()
    windows = pa.concat_tables([part for part, _ in parts]).to_pydict()
    hours = [*(4, 5, 6, 7, 8), *(4, 5, 6)]
    assert kept["meter"] == ["a"] * 5 + ["b"] * 3
    assert kept["at"] == [f"2024-05-01 {hour:02d}:00:00" for hour in hours]
    assert windows["at_hour"] == hours
    np.testing.assert_array_equal(windows["the load_past"][1], [1, 2, 3, 4])
    np.testing.assert_array_equal(windows["the load_past"][-1], [102, 103, NAN, 105])
    np.testing.assert_allclose(windows["wind_future"][-3], [NAN, 0.5], rtol=1e-6)


def test_steps_behind_a_long_gap_without_a_row_in_their_context_are_no_windows(
    tmp_path: Path,
) -> None:
    frame = _frame()
    frame = frame[frame["meter"] == "a"]
    far = frame[frame["the load"].notna()]
    far = far.assign(at=far["at"] + pd.Timedelta("30h"))
    path = _write(tmp_path, pd.concat([frame, far]))
    rows = long_table(path, TYPES, SIZES, RAW, all_starts=True)
    assert rows is not None
    ((_, kept),) = rows.tables_and_kept()
    # Rows lie at hours 0 to 9 and 30 to 37.
    starts = [*range(4, 14), *range(31, 39)]
    first = pd.Timestamp("2024-05-01")
    times = pd.to_datetime(kept["at"].to_pylist())
    assert ((times - first) // pd.Timedelta("1h")).tolist() == starts


def test_what_is_known_ahead_is_missing_where_no_row_tells_it(tmp_path: Path) -> None:
    frame = _frame()
    windows, kept = _rows(_write(tmp_path, frame[frame["the load"].notna()]))
    np.testing.assert_array_equal(windows["wind_future"], np.full([2, 2], NAN))
    assert windows["wind"] == [None, None]
    assert windows["at_hour"] == [8, 6]
    assert kept["meter"] == ["a", "b"]


def test_a_file_of_windows_is_read_as_it_is_and_one_without_times_is_refused(
    tmp_path: Path,
) -> None:
    frame = _frame()
    path = _write(tmp_path, frame.drop(columns=["meter"]))
    with pytest.raises(DataError, match="has no column 'meter'"):
        long_table(path, TYPES, SIZES, RAW)
    windows = pd.DataFrame({name: [[0.0] * size] for name, size in SIZES.items()})
    windows.to_parquet(tmp_path / "windows.parquet")
    assert long_table(tmp_path / "windows.parquet", TYPES, SIZES, RAW) is None
    assert long_table(path, TYPES, SIZES, RawFormat()) is None
    lacking = long_table(_write(tmp_path, frame.drop(columns=["site"])), TYPES, SIZES, RAW)
    assert lacking is not None
    assert lacking.missing == ["site"]
    lacking = long_table(_write(tmp_path, frame.drop(columns=["wind"])), TYPES, SIZES, RAW)
    assert lacking is not None
    assert lacking.missing == ["wind"]


def test_a_static_column_that_later_rows_lack_is_that_of_the_rows_before(tmp_path: Path) -> None:
    frame = _frame()
    frame.loc[frame["the load"].isna(), "site"] = None
    assert _rows(_write(tmp_path, frame))[0]["site"] == ["roof", "roof"]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("raw", [RAW, RawFormat(series=RAW.series)])
def test_a_row_without_a_time_is_named(tmp_path: Path, suffix: str, raw: RawFormat) -> None:
    frame = _frame()
    frame.iloc[3, 0] = None
    types = {name: kind for name, kind in TYPES.items() if name != "at_hour"}
    rows = long_table(_write(tmp_path, frame, suffix), types, SIZES, raw)
    assert rows is not None
    with pytest.raises(DataError, match="the time column 'at' holds no value") as caught:
        next(rows.tables_and_kept())
    assert caught.value.where == f"{tmp_path / 'rows'}.{suffix}, row 4, column at"


def test_times_with_fractions_and_a_series_beside_the_steps_are_refused(tmp_path: Path) -> None:
    frame = _frame()
    frame.loc[frame["meter"] == "b", "at"] += pd.Timedelta("15min")
    with pytest.raises(DataError, match="no row of the series 'b' is at a step") as caught:
        _rows(_write(tmp_path, frame))
    assert caught.value.received == "2024-05-01 00:15:00 and later; 1 such series"
    frame["at"] = np.arange(len(frame)) / 2
    types = {name: kind for name, kind in TYPES.items() if name != "at_hour"}
    rows = long_table(_write(tmp_path, frame), types, SIZES, RawFormat(series=RAW.series))
    assert rows is not None
    with pytest.raises(DataError, match="holds fractions"):
        next(rows.tables_and_kept())


def test_a_whole_number_of_more_than_53_bits_is_rounded(tmp_path: Path) -> None:
    frame = _frame()
    frame["wind"] = 2**60 + np.arange(len(frame))
    windows, _ = _rows(_write(tmp_path, frame))
    np.testing.assert_allclose(windows["wind_future"], 2.0**60)


class _Mean:
    types, sizes = TYPES, SIZES
    images: ClassVar[dict[str, int]] = {}

    def inputs(self, table: Any) -> Any:
        return table

    def answers(self, inputs: Any) -> Any:
        lists = inputs["the load_past"].combine_chunks().flatten().to_numpy()
        return {"predictions": np.nanmean(lists.reshape(-1, 4), axis=1)}


def test_predictions_stand_beside_the_id_and_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, _frame())
    monkeypatch.setattr("pipelines.commands.predict.raw_format", lambda *_: RAW)
    out = tmp_path / "out.parquet"
    predict(_Mean(), path, out, None)
    answers = pq.read_table(out).to_pydict()
    assert answers["meter"] == ["a", "b"]
    assert answers["at"] == ["2024-05-01 08:00:00", "2024-05-01 06:00:00"]
    np.testing.assert_allclose(answers["predictions"], [5.5, 310 / 3])
    with pytest.raises(DataError, match="no row of its own"):
        predict(_Mean(), path, out, None, options=RowOptions(keep=["wind"]))
    predict(_Mean(), path, out, None, options=RowOptions(all_starts=True))
    assert pq.read_metadata(out).num_rows == 8
    monkeypatch.setattr("pipelines.commands.predict.raw_format", lambda *_: RawFormat())
    with pytest.raises(ConfigError, match="only a long table of series has starts"):
        predict(_Mean(), path, out, None, options=RowOptions(all_starts=True))
