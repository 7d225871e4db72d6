"""TensorFlow Serving's gRPC services, asked by its own stubs."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.integration.serving.served import ROOT, ServerProcess, start_server

START = (sys.executable, "-m", "tests.integration.serving.start")


class Model(tf.Module):
    """Scales numbers, and reads them out of examples to classify and regress."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="x"),
            tf.TensorSpec([None], tf.string, name="city"),
        ]
    )
    def scale(self, x: Any, city: Any) -> Any:
        return {"scaled": 2 * x, "upper": tf.strings.upper(city)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: Any) -> Any:
        x = self._x(inputs)
        classes = tf.tile([["small", "large"]], [tf.size(x), 1])
        return {"classes": classes, "scores": tf.stack([1 - x, x], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs: Any) -> Any:
        return {"outputs": 3 * self._x(inputs)}

    def _x(self, inputs: Any) -> Any:
        return tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]


def name_methods(version: Path, methods: dict[str, str]) -> None:
    """Says which API signatures are for, as TensorFlow 1 did."""
    file = version / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for name, method in methods.items():
        signature = saved.meta_graphs[0].signature_def[name]
        signature.method_name = f"tensorflow/serving/{method}"
    file.write_bytes(saved.SerializeToString())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    folder = tmp_path_factory.mktemp("rpc")
    model = Model()
    signatures = {"serving_default": model.scale, "class": model.classify, "regress": model.regress}
    version = folder / "serving_models" / "scale" / "3"
    tf.saved_model.save(model, str(version), signatures)
    name_methods(version, {"class": "classify", "regress": "regress"})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"models": {"scale": {"labels": {"stable": 3}}}, "limits": {"rows": 100}}
    server = start_server(folder, settings, "--grpc-port", str(port))
    try:
        yield server.ready(), f"127.0.0.1:{port}"
    finally:
        assert server.stop() == 0


@pytest.fixture(scope="module")
def channel(served: tuple[ServerProcess, str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(served[1]) as opened:
        yield opened


@pytest.fixture(scope="module")
def predictions(channel: grpc.Channel) -> Any:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def asked(inputs: dict[str, Any], **spec: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = spec.get("name", "scale")
    request.model_spec.signature_name = spec.get("signature", "")
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def example(x: float) -> Any:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[x]))
    return tf.train.Example(features=tf.train.Features(feature={"x": feature}))


ROWS: dict[str, Any] = {
    "x": np.array([1.5, -2.0], np.float32),
    "city": np.array([b"oslo", b"rome"]),
}
MANY = {name: np.resize(value, 101) for name, value in ROWS.items()}


@pytest.mark.parametrize("which", [{}, {"version": 3}, {"label": "stable"}])
def test_tensors_are_answered_with_tensors(predictions: Any, which: dict[str, Any]) -> None:
    given = predictions.Predict(asked(ROWS, **which), timeout=20)
    np.testing.assert_array_equal(tf.make_ndarray(given.outputs["scaled"]), [3.0, -4.0])
    assert tf.make_ndarray(given.outputs["upper"]).tolist() == [b"OSLO", b"ROME"]
    spec = given.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("scale", 3, "serving_default")


def test_outputs_are_filtered(predictions: Any) -> None:
    request = asked(ROWS)
    request.output_filter.append("scaled")
    assert set(predictions.Predict(request, timeout=20).outputs) == {"scaled"}


@pytest.mark.parametrize(
    ("inputs", "spec", "code", "reported"),
    [
        (ROWS, {"name": "nosuch"}, "NOT_FOUND", "nosuch"),
        (ROWS, {"version": 9}, "NOT_FOUND", "9"),
        (ROWS, {"label": "canary"}, "INVALID_ARGUMENT", "canary"),
        (ROWS, {"signature": "nosuch"}, "FAILED_PRECONDITION", "nosuch"),
        ({"x": ROWS["x"]}, {}, "INVALID_ARGUMENT", "city"),
        ({**ROWS, "more": [1]}, {}, "INVALID_ARGUMENT", "more"),
        ({**ROWS, "x": np.array([1, 2])}, {}, "INVALID_ARGUMENT", "int64"),
        ({**ROWS, "x": np.float32([[1], [2]])}, {}, "INVALID_ARGUMENT", "[2, 1]"),
        (MANY, {}, "INVALID_ARGUMENT", "101"),
    ],
)
def test_what_is_wrong_with_a_call_is_reported(
    predictions: Any, inputs: dict[str, Any], spec: dict[str, Any], code: str, reported: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        predictions.Predict(asked(inputs, **spec), timeout=20)
    assert caught.value.code().name == code
    assert reported in caught.value.details()


def test_tensors_that_lie_about_their_size_are_refused(predictions: Any) -> None:
    request = asked(ROWS)
    request.inputs["x"].tensor_content = b"\0\0\0"
    with pytest.raises(grpc.RpcError) as caught:
        predictions.Predict(request, timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_examples_are_classified(predictions: Any) -> None:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "scale", "class"
    request.input.example_list.examples.extend([example(0.25), example(0.75)])
    result = predictions.Classify(request, timeout=20).result
    reported = [{each.label: each.score for each in row.classes} for row in result.classifications]
    assert reported == [{"small": 0.75, "large": 0.25}, {"small": 0.25, "large": 0.75}]


def test_examples_in_a_context_are_regressed(predictions: Any) -> None:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "scale", "regress"
    both = request.input.example_list_with_context
    both.context.CopyFrom(example(2.0))
    both.examples.extend([tf.train.Example(), example(5.0)])
    result = predictions.Regress(request, timeout=20).result
    assert [each.value for each in result.regressions] == [6.0, 15.0]


def test_metadata_is_that_of_rest(predictions: Any, served: tuple[ServerProcess, str]) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "scale"
    given = predictions.GetModelMetadata(request, timeout=20)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert given.metadata["signature_def"].Unpack(signatures)
    _, answer = served[0].get("/v1/models/scale/metadata")
    by_rest = answer["metadata"]["signature_def"]["signature_def"]
    assert set(signatures.signature_def) == set(by_rest)
    assert set(signatures.signature_def["serving_default"].inputs) == {"x", "city"}
    request.metadata_field.append("other")
    with pytest.raises(grpc.RpcError):
        predictions.GetModelMetadata(request, timeout=20)


def test_states_of_versions(channel: grpc.Channel) -> None:
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "scale"
    (one,) = models.GetModelStatus(request, timeout=20).model_version_status
    assert (one.version, one.state) == (3, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    assert one.status.error_code == 0
    request.model_spec.name = "nosuch"
    with pytest.raises(grpc.RpcError) as caught:
        models.GetModelStatus(request, timeout=20)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_classify_and_regress_name_a_missing_signature_as_a_wrong_argument(
    predictions: Any,
) -> None:
    """Predict's code for it is another one, in TensorFlow Serving as well."""
    for ask, request in (
        (predictions.Classify, classification_pb2.ClassificationRequest()),
        (predictions.Regress, regression_pb2.RegressionRequest()),
    ):
        request.model_spec.name, request.model_spec.signature_name = "scale", "nosuch"
        request.input.example_list.examples.append(example(1.0))
        with pytest.raises(grpc.RpcError) as caught:
            ask(request, timeout=20)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "No signature was found with the name: nosuch"


def test_calls_are_counted_beside_rests(
    predictions: Any, served: tuple[ServerProcess, str]
) -> None:
    def page() -> dict[str, int]:
        _, text = served[0].get("/monitoring/prometheus/metrics")
        lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(":"))
        return {name: int(float(value)) for name, _, value in lines}

    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "scale", "class"
    request.input.example_list.examples.append(example(1.0))
    before = page()
    for _ in range(2):
        predictions.Predict(asked(ROWS), timeout=20)
    predictions.Classify(request, timeout=20)
    request.input.Clear()
    with pytest.raises(grpc.RpcError):
        predictions.Classify(request, timeout=20)
    after = page()
    names = {
        f'request_count{{model_name="scale",status="{status}"}}': count
        for status, count in (("OK", 3), ("INVALID_ARGUMENT", 1))
    }
    # Only what was answered has a latency: as TensorFlow Serving has it.
    for api, count in (("Predict", 2), ("Classify", 1)):
        labels = f'model_name="scale",API="{api}"'
        names[f'request_latency_count{{{labels},entrypoint="GRPC"}}'] = count
        names[f'runtime_latency_count{{{labels},runtime="TF1"}}'] = count
    for name, count in names.items():
        key = f":tensorflow:serving:{name}"
        assert after[key] - before.get(key, 0) == count, name


def test_a_taken_port_is_reported(served: tuple[ServerProcess, str], tmp_path: Path) -> None:
    port = served[1].rpartition(":")[2]
    done = subprocess.run(
        [*START, "serve", "--port", "0", "--grpc-port", port],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "choose another with --grpc-port" in done.stderr


@pytest.mark.parametrize("brought", [(), (("x-api-key", "wrong"),)])
def test_a_key_is_asked_for(brought: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.config import ServingSpec
    from serving.http.metrics import Metrics
    from serving.rpc.services import Services
    from serving.versions.manager import ModelManager

    monkeypatch.setenv("THE_KEY", "secret")
    spec = ServingSpec(api_key_env="THE_KEY")
    services = Services(ModelManager(spec), spec, Metrics())
    ended: list[grpc.StatusCode] = []

    class Context:
        def invocation_metadata(self) -> Any:
            return brought

        async def abort(self, code: grpc.StatusCode, _: str) -> None:
            ended.append(code)

    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "nosuch"
    asyncio.run(services.GetModelStatus(request, Context()))
    assert ended == [grpc.StatusCode.UNAUTHENTICATED]
    brought = (("authorization", "Bearer secret"),)
    asyncio.run(services.GetModelStatus(request, Context()))
    assert ended[1] is grpc.StatusCode.NOT_FOUND
