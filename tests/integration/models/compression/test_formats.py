"""Small trained networks in every format, each compared with its own Keras."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from contracts.artifact import ARTIFACT_FILE, ArtifactModel, read_artifact
from contracts.errors import ModelError
from models.compression import parity
from models.compression.formats import conversion, tflite
from models.compression.formats.canonical_tflite import canonical_file
from models.compression.runtimes import measure, open_predictor, predict_table, run_predict
from models.data.raw_table import read_table
from tests.fixtures.toy_variants import convert_to

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


def _gap(folder, golden, tolerance=0.1):
    request = {"folder": str(folder), "golden": str(golden)}
    return parity.run(request | {"tolerance": tolerance})


@pytest.mark.parametrize(
    ("case", "form"),
    [
        *(("binary_text", form) for form in TOLERANCES),
        # What a kind of output changes; the precisions of a format share all but the numbers.
        *(
            (case, form)
            for case in ("multiclass", "regression")
            for form in (
                "savedmodel_float32",
                "tflite_float32",
                "tflite_int8_full",
                "onnx_float32",
            )
        ),
        ("digits", "onnx_float32"),
    ],
)
def test_a_format_answers_as_its_network_does(materials, converted, case, form):
    _, golden = materials(case)
    folder = converted(case, form)
    report = _gap(folder, golden, TOLERANCES[form])
    assert report["rows"] == 100
    assert report["max_difference"] <= TOLERANCES[form]
    if form.startswith("savedmodel"):
        assert report["wrong_classes"] == 0
        loaders = {name.rpartition("/")[0] for name in report["differences"]}
        assert loaders == {f"tf{n}/{s}" for n in (1, 2) for s in ("serving_default", "examples")}


def test_the_raw_rows_of_a_table_get_the_same_answers_in_every_runtime(
    worlds, materials, converted
):
    artifacts, _ = materials("binary_text")
    world = worlds("binary_text")
    table = read_table(artifacts.val_files, world.schema, list(world.problem.features))
    answers = []
    for form in ("savedmodel_float32", "tflite_float32", "onnx_float32"):
        folder = converted("binary_text", form)
        answers.append(predict_table(open_predictor(folder), table))
        assert answers[-1].shape == (200,)
        np.testing.assert_allclose(answers[-1], answers[0], atol=1e-5)
        part = predict_table(open_predictor(folder), table.slice(30, 60))
        np.testing.assert_allclose(part, answers[0][30:90], atol=1e-5)


def test_the_file_holds_the_weights_and_not_only_the_graph(materials, converted):
    """Converted from concrete functions, the file would have lost them without a word."""
    artifacts, _ = materials("multiclass")
    folder = converted("multiclass", "tflite_float32")
    network = keras.models.load_model(artifacts.network_path)
    weights = sum(v.numpy().nbytes for v in network.trainable_variables if len(v.shape) > 1)
    assert (folder / "model.tflite").stat().st_size > weights


def test_a_tampered_constant_or_file_is_found_out(materials, converted, tmp_path):
    _, golden = materials("binary_text")
    shutil.copytree(converted("binary_text", "tflite_float32"), tmp_path, dirs_exist_ok=True)
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


def test_a_full_int8_file_is_in_its_one_order(converted):
    content = (converted("digits", "tflite_int8_full") / "model.tflite").read_bytes()
    again = canonical_file(content)
    assert again is not content  # it may be sorted
    assert again == content


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


def test_calibration_with_zeros_is_reported_by_the_answers(
    materials, converted, tmp_path, monkeypatch
):
    artifacts, golden = materials("digits")
    right = _gap(converted("digits", "tflite_int8_full"), golden)["max_difference"]
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


def test_artifacts_are_predicted_and_timed_in_processes_without_tensorflow(
    worlds, materials, converted, tmp_path
):
    artifacts, world = materials("binary_text")[0], worlds("binary_text")
    table = read_table(artifacts.val_files, world.schema, list(world.problem.features))
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=50)
    folder = converted("binary_text", "tflite_float32")
    request = {"folder": folder, "rows": tmp_path / "rows.parquet", "answers": tmp_path / "a.npy"}
    predictor = open_predictor(folder)
    assert run_predict(request, predictor) == {"rows": table.num_rows}
    wanted = predict_table(predictor, table)
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
