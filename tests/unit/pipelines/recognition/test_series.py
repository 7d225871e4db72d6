"""`kelp init` on long tables of series: time and id are found, and windows are proposed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.commands.init import write_config
from pipelines.config.problem import load_config

HOURS = 600
GENERATOR = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _meters(meters=3, step="1h", rows=HOURS):
    times = pd.date_range("2024-03-01", periods=rows, freq=step)
    parts = []
    for meter in range(meters):
        load = np.sin(np.arange(rows) / 24 * 2 * np.pi + meter) + GENERATOR.normal(0, 0.1, rows)
        load[7] = np.nan
        parts.append(
            pd.DataFrame(
                {
                    "at": times,
                    "meter": f"m{meter}",
                    "site": "roof" if meter else "yard",
                    "load": load,
                    "wind": GENERATOR.normal(9, 3, rows),
                    "note": [f"n{row % 5}" for row in range(rows)],
                    "state": np.where(load > 0, "high", "low"),
                }
            ).drop(index=50 + meter)
        )
    return pd.concat(parts)


def _config(frame, label, suffix="parquet"):
    if suffix == "csv":
        frame.to_csv("rows.csv", index=False)
    else:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), "rows.parquet")
    return load_config(write_config("guess", f"rows.{suffix}", label, force=True)).config


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_number_of_each_series_is_forecast(suffix):
    config = _config(_meters(), "load", suffix)
    series = config.data.series
    assert config.task == "forecast"
    assert (series.time, series.id, series.static) == ("at", "meter", ("site",))
    assert (series.horizon, config.label.season, config.label.steps) == (15, 24, 15)
    assert series.context == 24
    kinds = {name: feature.type for name, feature in config.features.items()}
    assert kinds == {
        "at_hour": "cyclic",
        "at_weekday": "cyclic",
        "meter": "categorical",
        "site": "categorical",
        "load_past": "window",
        "wind_past": "window",
    }
    assert config.label.history == "load_past"
    assert config.evaluation.resample == "rows"
    assert config.network.kind == "linear"
    assert config.training.optimizer.learning_rate == 0.0003
    assert "note: changes over time" in Path("configs/guess.yaml").read_text()


def test_one_series_needs_no_id():
    frame = _meters(1).drop(columns=["meter", "site"])
    config = _config(frame, "load")
    assert config.data.series.id is None
    assert "meter" not in config.features


def test_a_class_is_predicted_from_windows_only_where_ids_tell_series_apart():
    config = _config(_meters().dropna(), "state")
    assert config.task == "binary"
    assert config.data.series.id == "meter"
    assert {"load_past", "wind_past"} <= set(config.features)
    assert "state_past" not in config.features
    alone = _config(_meters(1).drop(columns=["meter", "site"]).dropna(), "state")
    assert alone.data.series is None


def test_irregular_times_and_several_rows_at_a_time_are_no_series():
    frame = _meters(1)
    frame["at"] += pd.to_timedelta(GENERATOR.integers(0, 50, len(frame)), "min")
    assert _config(frame.dropna(), "load").data.series is None
    assert _config(_meters().drop(columns=["meter"]).dropna(), "load").data.series is None
    noise = _meters(1).drop(columns=["meter", "site"])
    assert _config(noise, "wind").data.series is None


def test_few_steps_are_no_series_and_steps_may_be_counted():
    assert _config(_meters(1, rows=60).dropna(), "load").data.series is None
    frame = _meters(2)
    frame["step"] = frame.groupby("meter").cumcount()
    config = _config(frame.drop(columns=["at"]), "load")
    assert (config.data.series.time, config.data.series.id) == ("step", "meter")
    assert (config.label.season, config.data.series.horizon) == (None, 12)
    days = _config(_meters(1, "1D").drop(columns=["meter", "site"]), "load")
    assert (days.label.season, days.data.series.horizon) == (7, 7)
    assert (days.evaluation.block.column, days.evaluation.block.length) == ("at_days", 7)


def test_a_month_is_a_feature_once_train_has_seen_a_whole_year():
    frame = _meters(1, "6h", rows=4 * 500).drop(columns=["meter", "site"])
    assert "at_month" not in _config(frame, "load").features
    frame = _meters(1, "6h", rows=4 * 700).drop(columns=["meter", "site"])
    assert "at_month" in _config(frame, "load").features


def test_blocks_count_the_days_on_which_windows_start():
    config = _config(_meters(4, rows=24 * 120), "load")
    held_out = 24 - 7 - 2  # a fifth of 120 days, less a week of context, a horizon and the gap
    assert config.data.series.context == 168
    assert held_out / config.evaluation.block.length >= 8
    assert config.network.kind == "linear"


def test_blocks_fit_into_the_denser_rows_of_series_that_begin_late():
    frame = _meters(4, "7D", rows=220)
    late = frame.meter.isin(["m1", "m2"]) & (frame["at"] < frame["at"].min() + pd.Timedelta("980D"))
    config = _config(frame[~late], "load")
    test = frame[~late].sort_values("at").iloc[int(0.8 * (~late).sum()) :]
    weeks = (test["at"].max() - test["at"].min()).days // 7
    series = config.data.series
    starts = weeks - series.context - 2 * series.horizon
    assert config.evaluation.block.length % 7 == 0
    assert starts * 7 / config.evaluation.block.length >= 6


def test_a_few_rows_that_come_twice_are_no_reason_against_series():
    frame = _meters()
    frame = pd.concat([frame, frame.iloc[3:20]]).sample(frac=1, random_state=0)
    assert _config(frame, "load").data.series.id == "meter"
    alone = frame[frame.meter == "m0"].drop(columns=["meter", "site"])
    assert _config(alone, "load").data.series.id is None
    again = pd.concat([alone, alone.iloc[:60]]).dropna()
    assert _config(again, "load").data.series is None


def test_numbers_that_tell_series_apart_are_names():
    frame = _meters()
    frame["meter"] = frame.meter.str[1:].astype(int)
    config = _config(frame, "load")
    assert config.data.series.id == "meter"
    assert config.features["meter"].type == "categorical"


def test_counts_of_a_series_are_forecast():
    frame = _meters()
    frame["load"] = GENERATOR.poisson(4, len(frame))
    frame["state"] = frame.load.clip(upper=3)
    config = _config(frame, "load")
    assert (config.task, config.label.history) == ("forecast", "load_past")
    text = Path("configs/guess.yaml").read_text()
    assert "name: load        # a number of many values\n" in text
    assert _config(frame, "state").task == "multiclass"


def test_months_are_to_be_counted():
    frame = _meters(2, rows=240).drop(columns=["at", "wind", "note", "state"]).dropna()
    frame["step"] = frame.groupby("meter").cumcount()
    frame["month"] = pd.Timestamp("2001-01-01") + frame.step.map(lambda n: pd.DateOffset(months=n))
    assert _config(frame, "load").data.series.time == "step"
    assert _config(frame.drop(columns=["step"]), "load").data.series is None
    assert "count them in a column `step`" in Path("configs/guess.yaml").read_text()
