"""Every kind of network: the same in both Kerases, saved and loaded, in eight bits and in ONNX."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter
from pydantic import TypeAdapter, ValidationError

from models.compression.formats import onnx, tflite
from models.export.encoding import cut
from models.features.periodic import Waves, periodic_port
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import NetworkSpec

INPUTS = [
    InputSpec("hour", "dense", 2),
    InputSpec("origin", "one_hot", 4),
    InputSpec("tail", "embedding", 10, 3),
]
ROWS = 64
CASES = {
    "linear": {"kind": "linear", "l2": 1e-3},
    "linear_path": {"units": [8], "linear_path": True, "l1": 1e-3},
    "members": {"units": [8, 4], "members": 3, "linear_path": True},
    "residual": {"kind": "residual", "units": [8], "width": 4, "members": 2},
    "dcn": {"kind": "dcn", "units": [4], "rank": 2},
    "transformer": {"kind": "transformer", "width": 8, "units": 8, "heads": 2, "blocks": 1},
    "shared": {"units": [8, 4], "members": 3, "sharing": "shared"},
}


def _spec(case):
    return TypeAdapter(NetworkSpec).validate_python(CASES[case])


@pytest.fixture(scope="module")
def batch():
    generator = np.random.default_rng(0)
    return {
        "hour": generator.normal(size=(ROWS, 2)).astype(np.float32),
        "origin": generator.integers(0, 4, (ROWS, 1)),
        "tail": generator.integers(0, 10, (ROWS, 1)),
    }


def _moved(network):
    """Gives the network weights as a fit would: none of them at its start."""
    generator = np.random.default_rng(1)
    # A linear network's weights are those of features that are scaled by 30.
    width = 0.03 if network.name == "linear" else 0.6
    for variable in network.variables:
        if "seed" in variable.path:
            continue
        spread = width * generator.normal(size=variable.shape)
        variable.assign(np.exp(spread) if "variance" in variable.path else spread)
    return network


@pytest.fixture(scope="module", params=CASES)
def network(request):
    return request.param, _moved(
        build_network(_spec(request.param), INPUTS, OutputSpec("binary", 2), keras)
    )


def _opened(network, batch):
    split = SimpleNamespace(chunks=[{name: tf.constant(rows) for name, rows in batch.items()}])
    return SimpleNamespace(inputs=INPUTS, network=lambda: network, split=lambda name: split)


def test_a_kind_is_the_same_under_tf_keras_and_after_loading(network, batch, tmp_path):
    case, trained = network
    expected = np.asarray(trained(batch, training=False))
    assert expected.std() > 1e-3
    legacy = build_network(_spec(case), INPUTS, OutputSpec("binary", 2), tf_keras)
    legacy.set_weights(trained.get_weights())
    np.testing.assert_allclose(np.asarray(legacy(batch, training=False)), expected, atol=1e-6)
    trained.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(np.asarray(loaded(batch, training=False)), expected)
    halves = cut(loaded, "binary")
    answers = np.asarray(halves.head(halves.encode(batch)))
    np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_a_kind_answers_in_eight_bits_and_in_onnx(network, batch, tmp_path):
    _, trained = network
    opened = _opened(trained, batch)
    expected = np.asarray(trained(batch, training=False))
    tensors = [batch["hour"], batch["origin"].astype(np.int32), batch["tail"].astype(np.int32)]

    onnx.write_onnx("float32", opened, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / onnx.MODEL_FILE)
    names = [entry.name for entry in session.get_inputs()]
    (answers,) = session.run(None, dict(zip(names, tensors, strict=True)))
    np.testing.assert_allclose(answers, expected, atol=1e-5)

    tflite.write_tflite("int8_full", opened, tmp_path)
    interpreter = Interpreter(model_path=str(tmp_path / tflite.MODEL_FILE))
    kinds = {detail["dtype"] for detail in interpreter.get_tensor_details()}
    assert np.int8 in kinds
    predict = interpreter.get_signature_runner()
    named = {f"input_{place}": rows for place, rows in enumerate(tensors)}
    np.testing.assert_allclose(predict(**named)["output"], expected, atol=0.06)


def test_waves_answer_in_eight_bits_and_in_onnx(tmp_path):
    waves = Waves(frequencies=4, frequency_scale=0.3, width=3)
    ports = [periodic_port("x", waves), periodic_port("y", waves)]
    keras.utils.set_random_seed(2)
    spec = TypeAdapter(NetworkSpec).validate_python({"units": [8], "batch_norm": False})
    trained = build_network(spec, ports, OutputSpec("binary", 2), keras)
    generator = np.random.default_rng(0)
    batch = {name: generator.normal(size=(ROWS, 1)).astype(np.float32) for name in "xy"}
    opened = SimpleNamespace(**{**vars(_opened(trained, batch)), "inputs": ports})
    expected = np.asarray(trained(batch, training=False))
    assert expected.std() > 1e-2

    onnx.write_onnx("float32", opened, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / onnx.MODEL_FILE)
    names = [entry.name for entry in session.get_inputs()]
    (answers,) = session.run(None, dict(zip(names, batch.values(), strict=True)))
    np.testing.assert_allclose(answers, expected, atol=1e-5)

    tflite.write_tflite("int8_full", opened, tmp_path)
    predict = Interpreter(model_path=str(tmp_path / tflite.MODEL_FILE)).get_signature_runner()
    named = {f"input_{place}": rows for place, rows in enumerate(batch.values())}
    np.testing.assert_allclose(predict(**named)["output"], expected, atol=0.06)


def test_members_that_share_need_to_be_several():
    with pytest.raises(ValidationError, match="members is 1"):
        TypeAdapter(NetworkSpec).validate_python({"sharing": "shared"})


def test_a_network_keeps_its_kind_as_json():
    for case in CASES:
        text = json.dumps(_spec(case).model_dump(mode="json"))
        assert TypeAdapter(NetworkSpec).validate_json(text) == _spec(case)
