"""A class predicted from windows of several series: proposed, run, asked and explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.decoys import write_decoys
from tests.e2e.conftest import Workplace

_HOURS = 400
_QUICK = (
    "evaluation.stress={gaps: {kind: missing_steps}, stuck: {kind: stuck}}",
    "evaluation.baselines={linear: warn, trees: 'off', learning_curve: false}",
    "evaluation.importance.enabled=false",
    "evaluation.resamples=100",
    "evaluation.found_slices.enabled=false",
    "training.epochs=15",
    "training.refit=false",
    "tracking.enabled=false",
)


def _meters() -> pd.DataFrame:
    """Three meters: whether the load will be high hangs on the last hours; some are missing."""
    generator = np.random.default_rng(0)
    hours = np.arange(_HOURS)
    parts = []
    for meter in range(3):
        load = np.sin(hours / 24 * 2 * np.pi + meter) + generator.normal(0, 0.1, _HOURS)
        part = pd.DataFrame(
            {
                "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(hours, "h"),
                "meter": f"m{meter}",
                "load": np.where(hours % 50 == 7, np.nan, load),
                "state": np.where(np.roll(load, 1) > 0, "high", "low"),
            }
        )
        parts.append(part.drop(index=100 + meter))
    return pd.concat(parts)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Where the config that `kelp init` proposes has been run."""
    folder = write_decoys(tmp_path_factory.mktemp("meters"))
    _meters().to_parquet(folder / "meters.parquet", index=False)
    place = Workplace(folder)
    place.printed("init", "meters", "--data", "meters.parquet", "--label", "state")
    done = place.kelp("run", "configs/meters.yaml", *_QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def _summary(place: Workplace) -> dict[str, Any]:
    path: Path = place.folder / "runs/meters/latest/summary.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_the_proposed_config_is_run_and_pushed(place: Workplace) -> None:
    summary = _summary(place)
    assert summary["blessed"], summary["reasons"]
    assert summary["pushed_to"]
    assert any("3 steps have no row" in text for text in map(str, summary["warnings"]))
    assert summary["intervals"]["roc_auc"]["value"] > 0.8
    raw = Path(place.folder / summary["pushed_to"]) / "assets.extra/raw_format.json"
    assert json.loads(raw.read_text())["series"]["step"] == "1h"


def test_the_newest_window_of_each_meter_is_predicted(place: Workplace) -> None:
    place.printed("predict", "meters", "--data", "meters.parquet", "--out", "out.parquet")
    answers = pq.read_table(place.folder / "out.parquet").to_pydict()
    assert answers["meter"] == ["m0", "m1", "m2"]
    assert set(answers["time"]) == {"2024-01-17 16:00:00"}
    assert set(answers["classes"]) <= {"low", "high"}


def test_what_the_steps_of_a_meter_add_is_explained(place: Workplace) -> None:
    printed = place.printed(
        "explain", "meters", "--data", "meters.parquet", "--index", "1", "--json"
    )
    explained = json.loads(printed)
    (weights,) = explained["parts"]["load_past"]["heat"]["weights"]
    assert len(weights) > 4
    assert any(weights)
    assert {entry["feature"] for entry in explained["attributions"]} >= {"load_past", "meter"}
