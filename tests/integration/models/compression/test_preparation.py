"""Rows prepared without TensorFlow, compared with the transform graph that learned from train."""

import json

import numpy as np
import pytest
import tensorflow as tf

from contracts.artifact import ARTIFACT_FILE
from contracts.columns import served_columns
from contracts.preparation import RowPreparation
from models.compression.constants import learned_preparation
from models.compression.formats import tflite
from models.compression.formats.numeric import ports
from models.compression.training_artifacts import open_artifacts
from models.data.raw_table import read_table
from models.data.representation import raw_input_specs
from tests.artifact_preparation import App
from tests.fixtures.toy_world import LABELS


@pytest.mark.parametrize("case", LABELS)
def test_rows_are_prepared_without_tensorflow_as_the_transform_graph_does(worlds, materials, case):
    opened = open_artifacts(materials(case)[0])
    problem = worlds(case).problem
    preparation = learned_preparation(problem, opened.schema, opened.graph)
    files = opened.artifacts.val_files
    table = read_table(files, opened.schema, list(problem.features))
    assert any(table[name].null_count for name in problem.features)
    examples = tf.data.TFRecordDataset(files, "GZIP").batch(1000).get_single_element()
    wanted = opened.source.transform(tf.io.parse_example(examples, raw_input_specs(opened.schema)))
    columns = {feature.port: feature.input for feature in preparation.features}
    prepared = RowPreparation(preparation)(served_columns(table, columns))
    assert set(prepared) == set(wanted) - {problem.label.name}
    for name, values in prepared.items():
        assert values.dtype == wanted[name].dtype.as_numpy_dtype
        np.testing.assert_allclose(values, wanted[name].numpy(), rtol=0, atol=2e-7, err_msg=name)


@pytest.mark.parametrize(
    ("form", "case"), [("tflite_float32", "binary_text"), ("onnx_float32", "regression")]
)
def test_an_app_prepares_its_inputs_from_the_description_alone(materials, converted, form, case):
    artifacts, _ = materials(case)
    app = App(converted(case, form))
    opened = open_artifacts(artifacts)
    specs = raw_input_specs(opened.schema, frozenset({opened.source.label}))
    examples = tf.data.TFRecordDataset(artifacts.val_files, "GZIP").batch(1000)
    raw = tf.io.parse_example(examples.get_single_element(), specs)
    wanted = opened.source.transform(raw)
    rows = read_table(artifacts.val_files, opened.schema, list(specs)).to_pylist()
    for place, row in enumerate(rows):
        for name, values in app.prepare(row).items():
            np.testing.assert_allclose(values, wanted[name][place], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("case", ["binary_text", "regression"])
def test_the_worked_examples_are_prepared_by_the_graph(converted, case):
    folder = converted(case, "tflite_float32")
    app = App(folder)
    ordinary, empty, unknown = app.examples
    assert ordinary["raw"]
    assert None not in ordinary["raw"].values()
    assert empty["raw"] == {}
    assert set(app.tensors({})) == {entry["tensor"] for entry in app.inputs}
    assert {entry["feature"] for entry in app.inputs} <= set(ordinary["prepared"])
    for example in app.examples:
        prepared = app.prepare(example["raw"])
        for name, values in example["prepared"].items():
            np.testing.assert_allclose(values, prepared[name], atol=1e-6, err_msg=name)
    sizes = {name: len(_described(folder, name)["vocabulary"]) for name in unknown["prepared"]}
    assert unknown["prepared"] == {name: [size] for name, size in sizes.items()}
    assert sizes
    text = " ".join(app.instructions)
    for word in ("the sine before the cosine", "has the last id", "decimal text", "filler"):
        assert word in text


def _described(folder, column):
    features = json.loads((folder / ARTIFACT_FILE).read_text())["preparation"]["features"]
    return next(feature for feature in features if feature["column"] == column)


def test_calibration_rows_are_dicts_by_input_name(materials):
    opened = open_artifacts(materials("binary_text")[0])
    batches = list(tflite.calibration(opened))
    assert sum(len(batch["input_0"]) for batch in batches) == 600
    entries = ports(opened)
    assert set(batches[0]) == {entry.tensor for entry in entries}
    assert {batches[0][e.tensor].dtype.name == e.dtype for e in entries} == {True}
