"""SavedModels as servables: signatures, metadata, the quick call, warm-up, refusals."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import serving.saved_model
from bench.serving_model import columns, rows, write_model
from contracts.errors import KelpError
from contracts.prediction_log import WARMUP_FILE
from serving.batching import BatchLimits, Predictor
from serving.codec.signature import CLASSIFY, DEFAULT_SIGNATURE, PREDICT, REGRESS, Port
from serving.errors import ServingError
from serving.saved_model import SavedModelServable
from serving.servable import load_servable
from serving.versions.loading import Loader
from serving.versions.slot import Slot


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty columns and warm-up requests."""
    path = tmp_path_factory.mktemp("wide") / "1"
    write_model(path)
    return path


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shapes of several kinds, and a signature that cares how many rows there are."""
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 2, None], tf.float32, "grid"),
                tf.TensorSpec([None], tf.string, "name"),
            ]
        )
        def mixed(self, grid: Any, name: Any) -> dict[str, Any]:
            return {"total": tf.reduce_sum(grid, [1, 2]), "name_bytes": tf.strings.lower(name)}

        @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "x")])
        def scalar(self, x: Any) -> dict[str, Any]:
            return {"y": tf.strings.as_string(x)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "x")])
        def pairs(self, x: Any) -> dict[str, Any]:
            return {"y": tf.reshape(x, [-1, 2])[:, 0] // tf.reshape(x, [-1, 2])[:, 1]}

    model = Model()
    path = tmp_path_factory.mktemp("odd") / "1"
    signatures = {DEFAULT_SIGNATURE: model.mixed, "scalar": model.scalar, "pairs": model.pairs}
    tf.saved_model.save(model, str(path), signatures=signatures)
    return path


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TensorFlow 1's way to save: classify and regress on serialized examples."""
    import tensorflow.compat.v1 as tf

    path = tmp_path_factory.mktemp("classic") / "1"
    utils = tf.saved_model.signature_def_utils
    with tf.Graph().as_default(), tf.Session() as session:
        examples = tf.placeholder(tf.string, [None], "examples")
        found = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})
        scores = tf.stack([found["x"], 1 - found["x"]], axis=1)
        classes = tf.tile(tf.constant([["yes", "no"]]), [tf.shape(scores)[0], 1])
        builder = tf.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                DEFAULT_SIGNATURE: utils.classification_signature_def(examples, classes, scores),
                "half": utils.regression_signature_def(examples, found["x"] / 2),
            },
        )
        builder.save()
    return path


def ask(servable: SavedModelServable, method: str, body: dict[str, Any]) -> Any:
    async def whole() -> bytes:
        predictor = Predictor("m", 1, servable, BatchLimits())
        answer: bytes = await getattr(predictor, method)(json.dumps(body).encode())
        return answer

    return json.loads(asyncio.run(whole()))


def as_columns(count: int) -> dict[str, np.ndarray]:
    sample = rows(count)
    return {
        name: np.array(
            [row[name].encode() if dtype == "string" else row[name] for row in sample],
            object if dtype == "string" else dtype,
        )
        for name, dtype in columns().items()
    }


def test_signatures_are_those_of_the_file(wide: Path, odd: Path) -> None:
    signature = load_servable(wide).signatures[DEFAULT_SIGNATURE]
    assert {name: port.dtype for name, port in signature.inputs.items()} == columns()
    assert signature.inputs["whole_0"] == Port("whole_0", "int64", (None,))
    assert set(signature.outputs) == {"classes", "probabilities"}
    assert signature.method == PREDICT
    shapes = SavedModelServable(odd).signatures
    assert shapes[DEFAULT_SIGNATURE].inputs["grid"].shape == (None, 2, None)
    assert shapes["scalar"].inputs["x"].shape == ()


def test_metadata_is_the_protos_json(wide: Path) -> None:
    result = SavedModelServable(wide).metadata["signature_def"]["signature_def"]
    assert set(result) == {DEFAULT_SIGNATURE, "__saved_model_init_op"}
    default = result[DEFAULT_SIGNATURE]
    assert default["method_name"] == PREDICT
    assert default["inputs"]["text_0"] == {
        "dtype": "DT_STRING",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "serving_default_text_0:0",
    }
    assert result["__saved_model_init_op"]["inputs"] == {}
    assert result["__saved_model_init_op"]["outputs"]["__saved_model_init_op"]["tensor_shape"] == {
        "dim": [],
        "unknown_rank": True,
    }


def test_the_quick_call_gives_what_the_signature_gives(wide: Path, odd: Path) -> None:
    quick, plain = SavedModelServable(wide), SavedModelServable(wide, packed=False)
    assert list(quick._packed) == [DEFAULT_SIGNATURE]
    assert plain._packed == {}
    for count in (1, 2, 33):
        inputs = as_columns(count)
        inputs["float_0"][0] = math.nan
        ours, theirs = (each.run(DEFAULT_SIGNATURE, inputs) for each in (quick, plain))
        assert list(ours) == list(theirs) == ["classes", "probabilities"]
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])
            assert ours[name].dtype == theirs[name].dtype
            assert len(ours[name]) == count
    assert set(SavedModelServable(odd)._packed) == {DEFAULT_SIGNATURE, "pairs"}


def test_a_quick_call_that_differs_is_not_taken(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.saved_model.np, "array_equal", lambda *_, **__: False)
    servable = SavedModelServable(wide)
    assert servable._packed == {}
    assert len(servable.run(DEFAULT_SIGNATURE, as_columns(2))["classes"]) == 2


def test_without_tensorflows_inner_parts_the_public_call_does_it(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = SavedModelServable(wide).run(DEFAULT_SIGNATURE, as_columns(3))
    monkeypatch.setattr("serving.packed_call._direct", lambda function: None)
    servable = SavedModelServable(wide)
    assert list(servable._packed) == [DEFAULT_SIGNATURE]
    found = servable.run(DEFAULT_SIGNATURE, as_columns(3))
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_answers_over_json(wide: Path, odd: Path) -> None:
    servable = SavedModelServable(wide)
    expected = servable.run(DEFAULT_SIGNATURE, as_columns(3))
    answers = ask(servable, "predict", {"instances": rows(3)})["predictions"]
    assert [one["classes"] for one in answers] == expected["classes"].tolist()
    assert [one["probabilities"] for one in answers] == pytest.approx(
        expected["probabilities"].tolist(), rel=1e-6
    )
    other = SavedModelServable(odd)
    body = {"instances": [{"grid": [[1, 2], [3, 4]], "name": "AB"}]}
    assert ask(other, "predict", body) == {
        "predictions": [{"name_bytes": {"b64": "YWI="}, "total": 10.0}]
    }
    assert ask(other, "predict", {"signature_name": "scalar", "inputs": 7}) == {"outputs": "7"}


def test_what_the_model_refuses_is_reported_in_one_line(odd: Path) -> None:
    servable = SavedModelServable(odd)
    for values in ([1], [1, 0]):
        with pytest.raises(ServingError) as caught:
            ask(servable, "predict", {"signature_name": "pairs", "instances": values})
        assert caught.value.status == 400
        assert "\n" not in caught.value.message
        assert "[Op:" not in caught.value.message
        assert caught.value.message
    body = {"inputs": {"grid": [[[1], [2]]], "name": ["a", "b"]}}
    assert ask(servable, "predict", body)["outputs"]["total"] == [3.0]


def test_classify_and_regress(classic: Path) -> None:
    servable = SavedModelServable(classic)
    assert servable.signatures[DEFAULT_SIGNATURE].method == CLASSIFY
    assert servable.signatures["half"].method == REGRESS
    body = {"examples": [{"x": 0.25}, {"x": 0.5}]}
    assert ask(servable, "classify", body) == {
        "results": [[["yes", 0.25], ["no", 0.75]], [["yes", 0.5], ["no", 0.5]]]
    }
    shared = {"signature_name": "half", "context": {"x": 4.0}, "examples": [{}, {"x": 1.0}]}
    assert ask(servable, "regress", shared) == {"results": [2.0, 0.5]}
    for method in ("classify", "regress"):
        with pytest.raises(ServingError, match="x"):
            ask(servable, method, {"signature_name": "half", "examples": [{"x": "a"}]})


def test_warm_up(wide: Path, odd: Path, classic: Path) -> None:
    assert SavedModelServable(wide).warm_up() == 8
    assert SavedModelServable(odd).warm_up() == SavedModelServable(classic).warm_up() == 0


def write_warm_up(path: Path, logs: list[Any]) -> None:
    import tensorflow as tf

    file = path / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def predict_log(inputs: Mapping[str, Any], signature: str = "", outputs: Any = ()) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.output_filter.extend(outputs)
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def examples_log(kind: str, signature: str, value: Any) -> Any:
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = getattr(log, kind).request
    request.model_spec.signature_name = signature
    example = request.input.example_list.examples.add()
    if value is not None:
        example.features.feature["x"].float_list.value.append(value)
    return log


def test_warm_up_replays_all_kinds_of_requests(classic: Path, tmp_path: Path) -> None:
    path = tmp_path / "1"
    shutil.copytree(classic, path)
    logs = [examples_log("classify_log", "", 0.5), examples_log("regress_log", "half", 2.0)]
    write_warm_up(path, logs)
    assert SavedModelServable(path).warm_up() == 2


def inference_log(value: float, **tasks: str) -> Any:
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.multi_inference_log.request
    for method, signature in tasks.items():
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.signature_name = signature
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(value)
    return log


def test_warm_up_replays_all_tasks_of_an_inference_and_names_the_record_that_fails(
    classic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "1"
    shutil.copytree(classic, path)
    both = inference_log(0.5, classify="", regress="half")
    write_warm_up(path, [both, both])
    servable = SavedModelServable(path, packed=False)
    called = []
    monkeypatch.setattr(servable, "run", lambda signature, inputs: called.append(signature))
    assert servable.warm_up() == 2
    assert called == [DEFAULT_SIGNATURE, "half"] * 2

    def refuse_the_last(signature: str, inputs: Any) -> None:
        called.append(signature)
        if len(called) == 8:
            raise ServingError(400, "no")

    monkeypatch.setattr(servable, "run", refuse_the_last)
    with pytest.raises(KelpError, match="no") as caught:
        servable.warm_up()
    assert caught.value.where.endswith("record 2")


PAIR = {"x": np.array([4, 2])}
REFUSED_WARM_UPS: dict[str, tuple[Callable[[], list[Any]], str, str]] = {
    "too many": (lambda: [predict_log(PAIR, "pairs")] * 1001, "INVALID_ARGUMENT", "1000"),
    "unknown signature": (lambda: [predict_log(PAIR, "none")], "FAILED_PRECONDITION", "none"),
    "missing input": (lambda: [predict_log({}, "pairs")], "INVALID_ARGUMENT", "record 1"),
    "unknown input": (
        lambda: [predict_log({**PAIR, "y": [1]}, "pairs")], "INVALID_ARGUMENT", "['y']",
    ),
    "wrong type": (
        lambda: [predict_log({"x": np.array([1.5, 2])}, "pairs")], "INVALID_ARGUMENT", "int64",
    ),
    "unknown output": (
        lambda: [predict_log(PAIR, "pairs", ["z"])], "INVALID_ARGUMENT", "alias",
    ),
    "refused by the model": (
        lambda: [predict_log(PAIR, "pairs"), predict_log({"x": np.array([1, 0])}, "pairs")],
        "INVALID_ARGUMENT", "record 2",
    ),
    "no examples here": (
        lambda: [examples_log("classify_log", "pairs", 1.0)], "INVALID_ARGUMENT", "inputs",
    ),
    "no message": (lambda: [NoMessage()], "INVALID_ARGUMENT", "record 1"),
}  # fmt: skip


class NoMessage:
    def SerializeToString(self) -> bytes:  # noqa: N802
        return b"\xff\xff"


@pytest.mark.parametrize("wrong", REFUSED_WARM_UPS)
def test_warm_up_files_that_tensorflow_serving_refuses(
    odd: Path, tmp_path: Path, wrong: str
) -> None:
    logs, code, says = REFUSED_WARM_UPS[wrong]
    path = tmp_path / "1"
    shutil.copytree(odd, path)
    write_warm_up(path, logs())
    with ThreadPoolExecutor(1) as executor:
        loader = Loader(executor, load_servable, lambda *_: pytest.fail("it was loaded"), None)
        slot = Slot(1, path)
        asyncio.run(loader.load("m", slot))
    assert (slot.state, slot.status.code) == ("END", code)
    assert says in slot.status.message
    assert "tf_serving_warmup_requests" in slot.status.message


def test_a_thousand_records_are_no_more_than_it_may_have(odd: Path, tmp_path: Path) -> None:
    path = tmp_path / "1"
    shutil.copytree(odd, path)
    write_warm_up(path, [predict_log(PAIR, "pairs")] * 1000)
    assert SavedModelServable(path).warm_up() == 1000


def test_closed_it_lets_go(wide: Path) -> None:
    servable = SavedModelServable(wide)
    servable.close()
    assert servable._model is None
    assert servable._packed == servable._calls == {}


@pytest.mark.parametrize("spoil", ["proto", "empty", "variables", "warmup", "tags", "none"])
def test_what_cannot_be_loaded_says_where(wide: Path, tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "1"
    shutil.copytree(wide, path)
    if spoil == "proto":
        file = path / "saved_model.pb"
        file.write_bytes(file.read_bytes()[:100])
    elif spoil == "empty":
        (path / "saved_model.pb").write_bytes(b"")
    elif spoil == "variables":
        shutil.rmtree(path / "variables")
    elif spoil == "warmup":
        (path / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"x" * 50)
    elif spoil == "tags":
        file = path / "saved_model.pb"
        file.write_bytes(file.read_bytes().replace(b"serve", b"sorve"))
    else:
        (path / "saved_model.pb").unlink()
    with pytest.raises(KelpError) as caught:
        load_servable(path)
    assert str(path) in caught.value.where
    assert caught.value.what
