"""TFLite and ONNX files served beside the SavedModel of the same network."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from contracts.artifact import Artifact, digest
from contracts.errors import KelpError
from contracts.preparation import Preparation
from serving.artifact import ArtifactServable
from serving.errors import ServingError
from serving.servable import load_servable
from tests.fixtures.raw_feature import raw_feature

TASKS = ("binary", "multiclass", "regression")
# What tests/small_model.py's transform does, as the constants of an artifact.
PREPARED = tuple(
    raw_feature(**fields)
    for fields in (
        {
            "column": "x",
            "kind": "numeric",
            "raw": "float32",
            "missing_indicator": True,
            "filler": 0.0,
        },
        {
            "column": "the count",
            "kind": "numeric",
            "raw": "int64",
            "filler": 0.0,
            "offset": 0.0,
            "scale": 10.0,
        },
        {
            "column": "hour",
            "kind": "cyclic",
            "raw": "float32",
            "angle": float(np.float32(2 * np.pi / 24)),
        },
        {"column": "flag", "kind": "boolean", "raw": "int64", "filler": 0.5},
        {
            "column": "color",
            "kind": "categorical",
            "raw": "string",
            "vocabulary": ("red", "green", "unseen"),
        },
        {
            "column": "code",
            "kind": "vocabulary",
            "raw": "int64",
            "vocabulary": ("0", "1", "2", "3", "4"),
        },
    )
)


def write_lite(folder, task, net, quantised=False):
    import tensorflow as tf

    from models.compression.formats.numeric import OUTPUT, ports, save_network
    from tests import small_model

    opened = SimpleNamespace(inputs=small_model.PORTS)
    with tempfile.TemporaryDirectory() as scratch:
        save_network(opened, net, Path(scratch))
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch)
        if quantised:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        (folder / "model.tflite").write_bytes(converter.convert())
    Artifact(
        runtime="tflite",
        format="tflite_int8_dynamic" if quantised else "tflite_float32",
        file="model.tflite",
        sha256=digest((folder / "model.tflite").read_bytes()),
        task=task,
        label="y",
        classes=tuple(small_model.LABELS[task].get("classes", ())),
        threshold=0.4 if task == "binary" else None,
        inputs=tuple(ports(opened)),
        output=OUTPUT,
        preparation=Preparation(features=PREPARED),
    ).write(folder)
    return folder


def write_onnx(folder, lite, task, net):
    """The same network as an ONNX file, with the description of the TFLite file."""
    import tensorflow as tf
    import tf2onnx

    from models.compression.formats.numeric import ports, to_features
    from tests import small_model

    folder.mkdir()
    entries = ports(SimpleNamespace(inputs=small_model.PORTS))
    specs = [tf.TensorSpec([None, one.width], one.dtype, name=one.tensor) for one in entries]

    @tf.function(input_signature=specs, autograph=False)
    def predict(*tensors):
        named = {one.tensor: tensor for one, tensor in zip(entries, tensors, strict=True)}
        return net(to_features(entries, named))

    model, _ = tf2onnx.convert.from_function(
        predict, input_signature=specs, opset=18, output_path=str(folder / "model.onnx")
    )
    inputs = [
        one.model_dump() | {"tensor": port.name}
        for one, port in zip(entries, model.graph.input, strict=True)
    ]
    (folder / "artifact.json").write_bytes((lite / "artifact.json").read_bytes())
    edit(
        folder,
        format="onnx_float32",
        runtime="onnx",
        file="model.onnx",
        sha256=digest((folder / "model.onnx").read_bytes()),
        inputs=inputs,
        output=model.graph.output[0].name,
    )
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """By task: the SavedModel, and the folder of the TFLite file; binary as ONNX as well."""
    import tensorflow as tf

    from tests import small_model

    made = {}
    for task in TASKS:
        net = small_model.network(task)
        folder = tmp_path_factory.mktemp(task)
        loaded = tf.saved_model.load(str(small_model.write(folder / "saved", task, net)))
        (folder / "lite").mkdir()
        made[task] = loaded, write_lite(folder / "lite", task, net)
        if task == "binary":
            made["onnx"] = loaded, write_onnx(folder / "onnx", folder / "lite", task, net)
    return made


@pytest.fixture
def lite(pairs, tmp_path):
    """A copy of the binary model's folder, to do something to."""
    _, folder = pairs["binary"]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def columns(rows, seed=0):
    draw = np.random.default_rng(seed)
    values = {
        "x": draw.normal(size=rows).astype(np.float32),
        "the_count": draw.integers(-50, 50, rows).astype(np.float32) + 0.5,
        "hour": draw.uniform(0, 24, rows).astype(np.float32),
        "flag": draw.integers(0, 2, rows).astype(np.float32),
        "color": draw.choice(np.array([b"red", b"green", b"blue", b""], object), rows),
        "code": draw.integers(-2, 9, rows),
    }
    for name in ("x", "the_count", "flag"):
        values[name][draw.random(rows) < 0.2] = np.nan
    values["code"][draw.random(rows) < 0.2] = -(2**63)
    return values


def edit(folder, **changes):
    path = folder / "artifact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("task", [*TASKS, "onnx"])
def test_answers_are_the_savedmodels_by_name_type_shape_and_value(pairs, task):
    import tensorflow as tf

    loaded, folder = pairs[task]
    serve, servable = loaded.signatures["serving_default"], load_servable(folder)
    assert isinstance(servable, ArtifactServable)
    assert servable.steady == ("serving_default",)
    signature = servable.signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    assert {name: (p.dtype, p.shape) for name, p in signature.inputs.items()} == {
        name: (spec.dtype.name, tuple(spec.shape)) for name, spec in specs.items()
    }
    given = columns(300)
    wanted = {
        k: v.numpy() for k, v in serve(**{k: tf.constant(v) for k, v in given.items()}).items()
    }
    got = servable.run("serving_default", given)
    assert list(got) == sorted(wanted) == list(signature.outputs)
    for name, values in wanted.items():
        assert got[name].dtype == values.dtype == signature.outputs[name].numpy
        assert got[name].shape == values.shape
        if values.dtype == object:
            assert got[name].tolist() == values.tolist()
        else:
            np.testing.assert_allclose(got[name], values, atol=1e-6)
    servable.close()


@pytest.mark.parametrize("task", TASKS)
def test_metadata_are_the_savedmodels_but_for_the_graphs_names(pairs, task):
    from google.protobuf import json_format
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

    loaded, folder = pairs[task]
    serve, servable = loaded.signatures["serving_default"], ArtifactServable(folder)
    result = servable.metadata["signature_def"]["signature_def"]["serving_default"]
    parsed = json_format.ParseDict(result, SignatureDef())
    for ports, tensors in (
        (parsed.inputs, {t.name.split(":")[0]: t for t in serve.inputs if t.dtype != "resource"}),
        (parsed.outputs, serve.structured_outputs),
    ):
        for name, info in ports.items():
            sizes = [-1 if size is None else size for size in tensors[name].shape]
            assert info.dtype == tensors[name].dtype.as_datatype_enum
            assert [dim.size for dim in info.tensor_shape.dim] == sizes
    assert parsed.method_name == "tensorflow/serving/predict"
    assert json.loads(json.dumps(servable.metadata)) == servable.metadata


@pytest.mark.parametrize("rows", [0, 1, 1024, 2500])
def test_any_number_of_rows_is_answered_as_row_by_row(pairs, rows):
    servable = ArtifactServable(pairs["multiclass"][1])
    given = columns(rows)
    whole = servable.run("serving_default", given)
    assert whole["probabilities"].shape == (rows, 3)
    assert whole["classes"].shape == (rows,)
    for place in range(0, rows, 500):
        row = {name: values[place : place + 1] for name, values in given.items()}
        one = servable.run("serving_default", row)
        np.testing.assert_allclose(
            one["probabilities"][0], whole["probabilities"][place], atol=1e-6
        )


def test_a_quantised_file_answers_as_the_runtime_that_judged_it(tmp_path):
    import pyarrow as pa

    from models.compression.runtimes import open_predictor
    from tests import small_model

    folder = write_lite(tmp_path, "binary", small_model.network("binary", (64, 64)), True)
    given = columns(200)
    given["code"][:] = np.clip(given["code"], 0, 8)
    table = pa.table({**given, "color": [value.decode() for value in given["color"]]})
    judged = open_predictor(folder)
    wanted = judged.answers(judged.inputs(table.rename_columns({"the_count": "the count"})))
    servable = ArtifactServable(folder)
    assert servable.steady
    got = servable.run("serving_default", given)
    for name, values in wanted.items():
        if name == "classes":
            assert got[name].tolist() == values.tolist()
        else:
            np.testing.assert_array_equal(got[name], values)


def test_warm_up_and_close(pairs):
    servable = ArtifactServable(pairs["binary"][1])
    assert servable.warm_up() == 0
    with pytest.raises(ServingError, match="not found") as caught:
        servable.run("other", columns(1))
    assert caught.value.status == 404
    servable.close()
    with pytest.raises(ServingError, match="unloaded") as caught:
        servable.run("serving_default", columns(1))
    assert caught.value.status == 503


def test_a_tampered_file_is_refused(lite):
    content = bytearray((lite / "model.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (lite / "model.tflite").write_bytes(content)
    with pytest.raises(KelpError, match="is not the file") as caught:
        load_servable(lite)
    assert caught.value.expected.startswith("SHA-256 ")
    assert caught.value.received == digest((lite / "model.tflite").read_bytes())


def test_a_file_that_is_not_there_yet_is_refused(lite):
    (lite / "model.tflite").unlink()
    with pytest.raises(KelpError, match="no such file"):
        load_servable(lite)


def test_what_litert_cannot_load_is_refused(lite):
    (lite / "model.tflite").write_bytes(b"TFL3 is what this is not")
    edit(lite, sha256=digest((lite / "model.tflite").read_bytes()))
    with pytest.raises(KelpError, match="cannot be loaded"):
        load_servable(lite)


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"file": "../model.tflite"}, "not the name of a file"),
        ({"runtime": "coreml"}, "one of: tflite, onnx"),
        ({"runtime": "onxx"}, "did you mean 'onnx'?"),
        ({"version": 2}, "version"),
        ({"runtime": "onnx"}, "a file that ONNX Runtime runs"),
        ({"task": "ranking"}, "task"),
        ({"classes": ["no"]}, "two classes"),
        ({"classes": ["no", 1]}, "integers and text"),
        ({"threshold": None}, "a threshold"),
        ({"task": "multiclass", "classes": []}, "two classes or more"),
        ({"output": "other"}, "cannot be loaded"),
        ({"inputs": []}, "cannot be loaded"),
        ({"preparation": {"features": []}}, "nothing prepares x"),
        ({"preparation": {}}, "preparation.features"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(lite, changes, reported):
    edit(lite, **changes)
    with pytest.raises(KelpError) as caught:
        load_servable(lite)
    assert reported in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
def test_a_description_that_is_no_json_is_refused(lite, content):
    (lite / "artifact.json").write_bytes(content)
    with pytest.raises(KelpError, match="cannot be read"):
        load_servable(lite)


@pytest.mark.parametrize("kind", ["binary", "onnx"])
def test_no_tensorflow_is_needed(pairs, kind):
    import subprocess

    code = (
        "import sys; from pathlib import Path; from serving.artifact import ArtifactServable; "
        f"ArtifactServable(Path({str(pairs[kind][1])!r})).warm_up(); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
