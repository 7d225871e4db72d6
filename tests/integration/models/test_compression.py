"""Other weights and formats of small trained networks, each compared with its own Keras."""

import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from pydantic import TypeAdapter
from tensorflow.core.protobuf import saved_model_pb2

from contracts.artifact import ARTIFACT_FILE, ArtifactModel, read_artifact
from contracts.columns import served_columns
from contracts.errors import ModelError
from contracts.preparation import RowPreparation
from models.compression import parity
from models.compression.constants import learned_preparation
from models.compression.formats import conversion, tflite
from models.compression.formats.numeric import ports
from models.compression.runtimes import measure, open_predictor, predict_table, run_predict
from models.compression.spec import WeightsSpec
from models.compression.training_artifacts import open_artifacts
from models.compression.weights import make_weights
from models.data.raw_table import read_table
from models.data.representation import raw_input_specs
from models.user_code import CODE_FOLDER_VARIABLE
from serving.servable import load_servable
from tests.artifact_preparation import App
from tests.fixtures.toy_variants import Digits, convert_to, training_artifacts
from tests.fixtures.toy_world import LABELS, World

TOLERANCES = {
    "savedmodel_float32": 1e-5,
    "savedmodel_float16": 5e-3,
    "savedmodel_int8_weights": 0.05,
    "tflite_float32": 1e-5,
    "tflite_float16": 5e-3,
    "tflite_int8_dynamic": 0.05,
    # Converted as it is, every category would be taken for another one: see numeric.py.
    "tflite_int8_full": 0.05,
    "onnx_float32": 1e-5,
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    def make(case):
        folder = tmp_path_factory.mktemp(case)
        return Digits(folder) if case == "digits" else World(case, folder)

    return functools.cache(make)


@pytest.fixture(scope="module")
def materials(worlds):
    """By case: the trained network, and where its golden rows are."""

    def make(case):
        world = worlds(case)
        _, run = world.train("trained")
        (run / "spec.json").write_text(world.spec.model_dump_json())
        return training_artifacts(world, run), run / "golden"

    return functools.cache(make)


@pytest.fixture(scope="module")
def weights(materials, tmp_path_factory):
    """By case and technique: the folder that it wrote, and its report."""

    def make(case, technique, settings=()):
        artifacts, _ = materials(case)
        folder = tmp_path_factory.mktemp(technique)
        spec = TypeAdapter(WeightsSpec).validate_python({"weights": technique, **dict(settings)})
        return folder, make_weights(spec, artifacts, folder, timeout_s=300)

    return functools.cache(make)


def _gap(folder, golden, tolerance=0.1):
    request = {"folder": str(folder), "golden": str(golden)}
    return parity.run(request | {"tolerance": tolerance})


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
    columns = {feature.port: feature.dtype for feature in preparation.features}
    prepared = RowPreparation(preparation)(served_columns(table, columns))
    assert set(prepared) == set(wanted) - {problem.label.name}
    for name, values in prepared.items():
        assert values.dtype == wanted[name].dtype.as_numpy_dtype
        np.testing.assert_allclose(values, wanted[name].numpy(), rtol=0, atol=2e-7, err_msg=name)


@pytest.mark.parametrize(
    ("form", "case"), [("tflite_float32", "binary_text"), ("onnx_float32", "regression")]
)
def test_an_app_prepares_its_inputs_from_the_description_alone(materials, tmp_path, form, case):
    artifacts, _ = materials(case)
    convert_to(form, artifacts, tmp_path)
    app = App(tmp_path)
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
def test_the_worked_examples_are_prepared_by_the_graph(materials, tmp_path, case):
    convert_to("tflite_float32", materials(case)[0], tmp_path)
    app = App(tmp_path)
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
    sizes = {name: len(_described(tmp_path, name)["vocabulary"]) for name in unknown["prepared"]}
    assert unknown["prepared"] == {name: [size] for name, size in sizes.items()}
    assert sizes
    text = " ".join(app.instructions)
    for word in ("the sine before the cosine", "has the last id", "decimal text", "filler"):
        assert word in text


def _described(folder, column):
    features = json.loads((folder / ARTIFACT_FILE).read_text())["preparation"]["features"]
    return next(feature for feature in features if feature["column"] == column)


@pytest.mark.parametrize("form", TOLERANCES)
@pytest.mark.parametrize("case", ["binary_text", "multiclass", "regression"])
def test_a_format_answers_as_its_network_does(materials, tmp_path, case, form):
    artifacts, golden = materials(case)
    convert_to(form, artifacts, tmp_path / "artifact")
    report = _gap(tmp_path / "artifact", golden, TOLERANCES[form])
    assert report["rows"] == 100
    assert report["max_difference"] <= TOLERANCES[form]
    if form.startswith("savedmodel"):
        assert report["wrong_classes"] == 0
        loaders = {name.rpartition("/")[0] for name in report["differences"]}
        assert loaders == {f"tf{n}/{s}" for n in (1, 2) for s in ("serving_default", "examples")}


def test_the_raw_rows_of_a_table_get_the_same_answers_in_every_runtime(worlds, materials, tmp_path):
    artifacts, _ = materials("binary_text")
    world = worlds("binary_text")
    table = read_table(artifacts.val_files, world.schema, list(world.problem.features))
    answers = []
    for form in ("savedmodel_float32", "tflite_float32", "onnx_float32"):
        convert_to(form, artifacts, tmp_path / form)
        answers.append(predict_table(open_predictor(tmp_path / form), table))
        assert answers[-1].shape == (200,)
        np.testing.assert_allclose(answers[-1], answers[0], atol=1e-5)
        part = predict_table(open_predictor(tmp_path / form), table.slice(30, 60))
        np.testing.assert_allclose(part, answers[0][30:90], atol=1e-5)


def test_the_file_holds_the_weights_and_not_only_the_graph(materials, tmp_path):
    """Converted from concrete functions, the file would have lost them without a word."""
    artifacts, _ = materials("multiclass")
    convert_to("tflite_float32", artifacts, tmp_path)
    network = keras.models.load_model(artifacts.network_path)
    weights = sum(v.numpy().nbytes for v in network.trainable_variables if len(v.shape) > 1)
    assert (tmp_path / "model.tflite").stat().st_size > weights


def test_a_tampered_constant_or_file_is_found_out(materials, tmp_path):
    artifacts, golden = materials("binary_text")
    convert_to("tflite_float32", artifacts, tmp_path)
    path = tmp_path / ARTIFACT_FILE
    whole = json.loads(path.read_text())
    assert whole["lineage"] == {"run": 7}
    assert read_artifact(tmp_path).classes == ("no", "yes")
    assert _gap(tmp_path, golden)["max_difference"] <= 1e-5
    (number,) = [f for f in whole["preparation"]["features"] if f["column"] == "num"]
    number["offset"] += 5
    path.write_text(json.dumps(whole))
    assert _gap(tmp_path, golden)["max_difference"] > 1e-3
    model = tmp_path / "model.tflite"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"is not the file that artifact.json describes"):
        ArtifactModel(tmp_path)


def test_a_quantised_savedmodel_holds_its_weights_once_for_both_signatures(materials, tmp_path):
    artifacts, golden = materials("digits")
    conversion.convert("savedmodel_int8", artifacts, tmp_path, timeout_s=300)
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((tmp_path / "saved_model.pb").read_bytes())
    (graph,) = [meta.graph_def for meta in saved.meta_graphs]
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    constants = [
        tf.make_ndarray(node.attr["value"].tensor)
        for node in nodes
        if node.op == "Const" and node.attr["dtype"].type == tf.int8.as_datatype_enum
    ]
    network = keras.models.load_model(artifacts.network_path)
    matrices = [v for v in network.trainable_variables if len(v.shape) > 1]
    large = sum(int(np.prod(v.shape)) for v in matrices)
    assert 0.9 * large <= sum(c.size for c in constants) <= large
    assert _gap(tmp_path, golden, 0.2)["max_difference"] <= 0.2


def test_calibration_rows_are_dicts_by_input_name(materials):
    opened = open_artifacts(materials("binary_text")[0])
    batches = list(tflite.calibration(opened))
    assert sum(len(batch["input_0"]) for batch in batches) == 600
    entries = ports(opened)
    assert set(batches[0]) == {entry.tensor for entry in entries}
    assert {batches[0][e.tensor].dtype.name == e.dtype for e in entries} == {True}


def test_calibration_with_zeros_is_reported_by_the_answers(materials, tmp_path, monkeypatch):
    artifacts, golden = materials("digits")
    convert_to("tflite_int8_full", artifacts, tmp_path / "right")
    right = _gap(tmp_path / "right", golden)["max_difference"]
    honest = tflite.calibration

    def zeros(opened):
        for batch in honest(opened):
            yield {name: tf.zeros_like(value) for name, value in batch.items()}

    monkeypatch.setattr(tflite, "calibration", zeros)
    convert_to("tflite_int8_full", artifacts, tmp_path / "wrong")
    wrong = _gap(tmp_path / "wrong", golden)["max_difference"]
    assert right < 0.2 < 0.5 < wrong


def test_a_network_that_is_not_there_is_reported_by_the_process(materials, tmp_path):
    artifacts, _ = materials("binary_text")
    lost = artifacts.with_network(tmp_path / "lost.keras")
    with pytest.raises(ModelError, match="the conversion to ONNX") as caught:
        conversion.convert("onnx_float32", lost, tmp_path / "out", timeout_s=120)
    assert "lost.keras" in caught.value.received


def test_pruned_weights_are_zero_and_still_load_in_litert(materials, weights, tmp_path):
    settings = (("sparsity", 0.8), ("epochs", 4), ("learning_rate", 1e-3))
    folder, report = weights("digits", "pruned", settings)
    layers = {path: one for path, one in report["layers"].items() if "probab" not in path}
    assert {len(one["shape"]) for one in layers.values()} == {2, 4}
    assert all(one["sparsity"] == pytest.approx(0.8, abs=0.015) for one in layers.values())
    network = keras.models.load_model(folder / "network.keras")
    assert np.mean(network.layers[-1].kernel.numpy() == 0) < 0.1
    artifacts = materials("digits")[0].with_network(folder / "network.keras")
    convert_to("tflite_int8_dynamic", artifacts, tmp_path)
    report = _gap(tmp_path, folder / "golden")
    assert report["max_difference"] <= 0.1
    # The tool that switches tf.keras to Keras 2 was never in this process.
    assert "tensorflow_model_optimization" not in sys.modules


def test_two_of_four_weights_are_zero(weights):
    settings = (("sparsity", 0.5), ("pattern", "2:4"), ("epochs", 2))
    folder, _ = weights("multiclass", "pruned", settings)
    network = keras.models.load_model(folder / "network.keras")
    kernel = network.get_layer("block_0").kernel.numpy()
    blocks = kernel[: len(kernel) // 4 * 4].T.reshape(-1, 4)
    assert ((blocks == 0).sum(axis=1) >= 2).all()


def test_clustered_weights_take_few_values(weights):
    _, report = weights("binary_text", "clustered", (("clusters", 8), ("epochs", 1)))
    distinct = [one["distinct"] for one in report["layers"].values()]
    assert max(distinct) <= 8
    assert report["history"][0]["val_loss"] > 0


def test_weights_trained_for_eight_bits_have_moved_and_fit_eight_bits(materials, weights, tmp_path):
    folder, report = weights("digits", "qat", (("epochs", 1),))
    before = keras.models.load_model(materials("digits")[0].network_path).get_weights()
    after = keras.models.load_model(folder / "network.keras").get_weights()
    kernels = [i for i, array in enumerate(before) if array.ndim > 1]
    assert all(np.abs(before[i] - after[i]).max() > 0 for i in kernels)
    assert len(report["history"]) == 1
    artifacts = materials("digits")[0].with_network(folder / "network.keras")
    convert_to("tflite_int8_full", artifacts, tmp_path)
    assert _gap(tmp_path, folder / "golden")["max_difference"] <= 0.15


@pytest.mark.parametrize("case", ["binary_int", "regression"])
def test_a_student_is_smaller_and_answers_much_as_its_teacher(materials, weights, case):
    settings = (("epochs", 12), ("scale", 0.4), ("learning_rate", 1e-2))
    folder, report = weights(case, "distilled", settings)
    artifacts, golden = materials(case)
    teacher = keras.models.load_model(artifacts.network_path)
    assert report["parameters"] < 0.5 * teacher.count_params()
    assert report["history"][-1]["val_loss"] < report["history"][0]["val_loss"]
    output = "predictions" if case == "regression" else "probabilities"
    taught, student = (
        np.load(place / "outputs.npz")[f"column/{output}"] for place in (golden, folder / "golden")
    )
    assert np.corrcoef(taught, student)[0, 1] > 0.7


def _accuracy(artifacts, form, folder, world):
    conversion.convert(form, artifacts, folder, timeout_s=300)
    files = sorted(map(str, (world.folder / "test").iterdir()))
    table = read_table(files, world.schema)
    scores = predict_table(open_predictor(folder), table)
    return np.mean(scores.argmax(axis=1) == table["y"].to_numpy())


def test_filters_in_eight_bits_read_digits_as_well(worlds, materials, tmp_path):
    artifacts, world = materials("digits")[0], worlds("digits")
    accuracy = {
        form: _accuracy(artifacts, form, tmp_path / form, world)
        for form in (
            "savedmodel_float32",
            "savedmodel_int8",
            "tflite_int8_dynamic",
            "tflite_int8_full",
            "onnx_float32",
        )
    }
    best = accuracy.pop("savedmodel_float32")
    assert best > 0.9
    assert min(accuracy.values()) >= best - 0.01


def test_artifacts_are_predicted_and_timed_in_processes_without_tensorflow(
    worlds, materials, tmp_path
):
    artifacts, world = materials("binary_text")[0], worlds("binary_text")
    table = read_table(artifacts.val_files, world.schema, list(world.problem.features))
    pq.write_table(table, tmp_path / "rows.parquet")
    folder = tmp_path / "tflite"
    convert_to("tflite_float32", artifacts, folder)
    request = {"folder": folder, "rows": tmp_path / "rows.parquet", "answers": tmp_path / "a.npy"}
    assert run_predict(request) == {"rows": table.num_rows}
    wanted = predict_table(open_predictor(folder), table)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), wanted)
    timing = measure(folder, tmp_path / "rows.parquet", repeats=5, timeout_s=120)
    assert all(value > 0 for value in timing.model_dump().values())
    assert timing.p50_ms <= timing.p95_ms
    # Throughput counts what numpy prepares, as a SavedModel's does what its graph prepares.
    assert 64e3 / timing.rows_per_s > timing.prepare_ms / 2
    script = (
        "import sys; from pathlib import Path; from models.compression.runtimes import "
        "open_predictor; open_predictor(Path(sys.argv[1])); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True, cwd=Path.cwd())


def test_the_format_of_the_page_is_converted_judged_and_served(materials, tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "own-formats.md").read_text()
    ((name, code),) = re.findall(r"`([\w.]+)`:\n\n```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / name).write_text(code)
    monkeypatch.setenv(CODE_FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    artifacts, golden = materials("binary_text")
    model = tmp_path / "model"
    convert_to("small_onnx:SMALL", artifacts, model)
    artifact = read_artifact(model)
    assert (artifact.format, artifact.runtime) == ("small_onnx:SMALL", "onnx")
    assert b"DynamicQuantizeLinear" in (model / artifact.file).read_bytes()
    assert 0 < _gap(model, golden)["max_difference"] <= 0.1
    assert load_servable(model).warm_up() == 0
