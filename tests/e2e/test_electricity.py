"""The electricity config on a quarter of its rows, run, and asked by REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.decoys import write_decoys
from tests.e2e.conftest import run_small, variants_of
from tests.integration.serving.served import ServerProcess

_ROWS = 4000
_CONTEXT, _HORIZON, _LEVELS = 96, 12, 3
_SMALL = (
    "data.series={time: time, context: 96, horizon: 12, stride: 5, known: [temperature, workday]}",
    variants_of(int8="savedmodel_int8", tflite_full_int8="tflite_int8_full"),
    "network.units=[16]",
    "training.epochs=6",
    "training.optimizer.learning_rate=0.005",
    "evaluation.bounds={mae: {max: 0.5}, coverage: {min: 0.5}}",
    "evaluation.baselines.naive=warn",
    "evaluation.block.length=2",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the config has been run."""
    from examples.electricity.download import write_electricity

    folder = write_decoys(tmp_path_factory.mktemp("electricity"))
    data = folder / "data/electricity"
    write_electricity(data, force=False)
    (path,) = data.iterdir()
    pq.write_table(pq.read_table(path).slice(0, _ROWS), path)
    return run_small(folder, "electricity", *_SMALL)


@pytest.fixture(scope="module")
def windows(folder: Path) -> dict[str, np.ndarray]:
    """The columns of some windows, as a client has them."""
    table = pq.read_table(folder / "data/electricity/demand.parquet")
    columns = {name: table[name].to_numpy().astype(np.float32) for name in table.column_names[1:]}
    starts = np.arange(_CONTEXT, 2000, 400)[:, None]
    past, future = starts + np.arange(-_CONTEXT, 0), starts + np.arange(_HORIZON)
    return {
        "demand_past": columns["demand"][past],
        "temperature_future": columns["temperature"][future],
        "workday_future": columns["workday"][future],
    }


def ask(server: ServerProcess, name: str, windows: dict[str, np.ndarray]) -> tuple[int, Any]:
    columns = {column: values.tolist() for column, values in windows.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return server.get(f"/v1/models/{name}:predict", json.dumps({"instances": rows}).encode())


def test_it_is_blessed_and_each_variant_is_pushed(folder: Path) -> None:
    summary = json.loads((folder / "runs/electricity/latest/summary.json").read_text())
    assert summary["blessed"], summary["reasons"]
    assert {entry["name"]: entry["status"] for entry in summary["variants"]} == {
        "float32": "blessed",
        "int8": "blessed",
        "tflite_full_int8": "blessed",
    }


def test_the_report_shows_each_step_of_the_horizon(folder: Path) -> None:
    report = (folder / "runs/electricity/latest/report.html").read_text()
    assert len(report) < 8e6
    assert f"Mean absolute error at each of {_HORIZON} steps" in report
    assert "The worst window" in report
    # The naive forecasts stand beside the candidate.
    assert {"Last value", "Seasonal naive 48"} <= set(_texts(report))


def _texts(report: str) -> list[str]:
    return [part.partition("<")[0] for part in report.split(">")]


def test_a_window_by_rest_is_answered_as_in_process(
    folder: Path, server: ServerProcess, windows: dict[str, np.ndarray]
) -> None:
    import tensorflow as tf

    model = tf.saved_model.load(str(folder / "serving_models/electricity/1"))
    inputs = {name: tf.constant(values) for name, values in windows.items()}
    expected = model.signatures["serving_default"](**inputs)
    assert expected["quantiles"].shape == (len(windows["demand_past"]), _HORIZON, _LEVELS)
    status, answer = ask(server, "electricity", windows)
    assert status == 200, answer
    for name in ("predictions", "quantiles"):
        given = [row[name] for row in answer["predictions"]]
        np.testing.assert_allclose(given, expected[name], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "atol"),
    [("electricity-int8", 0.2), ("electricity-tflite_full_int8", 0.5)],
)
def test_a_variant_takes_the_same_raw_window(
    server: ServerProcess, windows: dict[str, np.ndarray], name: str, atol: float
) -> None:
    _, expected = ask(server, "electricity", windows)
    status, answer = ask(server, name, windows)
    assert status == 200, answer
    for ours, theirs in zip(answer["predictions"], expected["predictions"], strict=True):
        np.testing.assert_allclose(ours["quantiles"], theirs["quantiles"], atol=atol)


def test_a_window_of_another_length_is_a_400_that_names_its_column(
    server: ServerProcess, windows: dict[str, np.ndarray]
) -> None:
    short = windows | {"temperature_future": windows["temperature_future"][:, 1:]}
    status, answer = ask(server, "electricity", short)
    assert status == 400
    assert "temperature_future" in answer["error"]
