"""How many rows variants are asked about at once: as many as their network has memory for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from contracts.artifact import ROWS_AT_ONCE, ArtifactModel, read_artifact
from models.compression.formats.onnx import write_onnx
from models.compression.formats.tflite import write_tflite
from models.compression.runtimes import open_predictor, predict_table
from models.export.encoding import BATCH_ROWS
from models.export.input_limits import add_row_limit, row_limit
from models.networks import memory
from tests.fixtures import small_windows


def _predictor(asked, **fields):
    """Notes of how many rows it is asked at once."""

    def scores(columns):
        asked.append(len(columns["x"]))
        return columns["x"]

    def inputs(table):
        return {"x": table.column("x").to_numpy()}

    fields = {"types": {"x": "number"}, "rows": 8192, **fields}
    return SimpleNamespace(inputs=inputs, tensors=lambda columns: columns, scores=scores, **fields)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"rows": 600}, [600, 600, 300]),
        ({}, [1024, 476]),
        ({"types": {"x": "image"}, "rows": 1000}, [128] * 11 + [92]),
    ],
    ids=str,
)
def test_a_variant_is_asked_about_as_many_rows_as_its_network_takes(fields, wanted):
    asked, values = [], np.arange(1500.0)
    scores = predict_table(_predictor(asked, **fields), pa.table({"x": values}))
    np.testing.assert_array_equal(scores, values)
    assert asked == wanted


@pytest.fixture
def large_network(monkeypatch):
    """A network, in a memory that has room for a few of its rows; and for how many."""
    monkeypatch.setattr(memory, "_BYTES", 20_000)
    network = small_windows.network()
    rows = memory.rows_at_once(network, BATCH_ROWS)
    assert 16 < rows < ROWS_AT_ONCE
    return network, rows


def test_a_saved_model_says_how_many_rows_it_takes(tmp_path, large_network):
    network, rows = large_network
    assert open_predictor(small_windows.write(tmp_path / "model", network)).rows == rows


@pytest.mark.parametrize("write", [write_tflite, write_onnx])
def test_a_device_file_s_signature_says_so(tmp_path, large_network, write):
    network, rows = large_network
    opened = SimpleNamespace(inputs=small_windows.ports(), network=lambda: network)
    assert write("float32", opened, tmp_path).rows == rows


def test_a_device_file_is_asked_about_as_many_rows(tmp_path):
    folder = small_windows.write_file(tmp_path / "onnx", small_windows.network(), "onnx")
    artifact = read_artifact(folder)
    columns = small_windows.rows(5)
    whole = ArtifactModel(folder).predict(columns)
    artifact.model_copy(update={"rows": 2}).write(folder)
    model, asked = ArtifactModel(folder), []
    run = model._loaded.run

    def noted(tensors):
        asked.append(len(next(iter(tensors.values()))))
        return run(tensors)

    model._loaded = replace(model._loaded, run=noted)
    np.testing.assert_allclose(model.predict(columns), whole, atol=1e-6)
    np.testing.assert_allclose(model.scores(model.tensors(columns)), whole, atol=1e-6)
    assert asked == [2, 2, 1] * 2
    assert open_predictor(folder).rows == 2


def test_a_variant_says_so_too_and_one_of_an_older_version_does_not():
    saved = tf.Module()
    assert row_limit(saved) == BATCH_ROWS
    add_row_limit(saved, 36)
    assert row_limit(saved) == 36
