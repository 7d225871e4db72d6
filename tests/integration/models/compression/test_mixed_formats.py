"""A window, a text, a number and a category in one network: each format takes their raw values."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.artifact import read_artifact
from models.compression import parity
from models.compression.runtimes import open_predictor, predict_table
from models.data.raw_table import read_table

CASE = "mixed"
TOLERANCES = {
    "savedmodel_int8": 0.1,
    "tflite_int8_full": 0.1,
    "onnx_float32": 1e-5,
}


@pytest.mark.parametrize("form", TOLERANCES)
def test_a_format_answers_as_the_network_does(materials, converted, form):
    _, golden = materials(CASE)
    request = {"folder": str(converted(CASE, form)), "golden": str(golden)}
    report = parity.run(request | {"tolerance": TOLERANCES[form]})
    assert report["rows"] == 60
    assert report["max_difference"] <= TOLERANCES[form]


def test_every_kind_counts_in_every_runtime(worlds, materials, converted):
    artifacts, _ = materials(CASE)
    world = worlds(CASE)
    table = read_table(artifacts.val_files, world.schema, list(world.problem.raw_columns()))
    answers = {
        form: predict_table(open_predictor(converted(CASE, form)), table) for form in TOLERANCES
    }
    onnx = answers["onnx_float32"]
    assert np.ptp(onnx) > 0.2
    for form, tolerance in TOLERANCES.items():
        np.testing.assert_allclose(answers[form], onnx, atol=2 * tolerance)
    model = open_predictor(converted(CASE, "onnx_float32"))
    for column in table.column_names:
        place = table.column_names.index(column)
        shuffled = table.set_column(place, column, table[column].take(np.arange(60)[::-1].copy()))
        assert np.abs(predict_table(model, shuffled) - onnx).max() > 1e-4, column


def test_the_artifact_describes_how_each_kind_is_prepared(converted):
    features = read_artifact(converted(CASE, "onnx_float32")).preparation.features
    kinds = {one.column: one.kind for one in features}
    assert kinds["weather"] == "window"
    assert kinds["carrier"] == "text"
    assert kinds["distance"] == "numeric"
    assert features[0].columns == ("wind_past", "rain_past")
