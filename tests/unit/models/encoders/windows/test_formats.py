"""Every encoder of windows in the formats of devices, each compared with its own Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from contracts.artifact import TensorInput
from models.compression.formats.onnx import write_onnx
from models.compression.formats.table import FileSignature
from models.compression.formats.tflite import write_tflite
from models.encoders.windows.encoding import window_port
from models.encoders.windows.spec import WindowEncoderSpec
from models.features.ports import InputSpec
from models.networks import build_network
from models.networks.mlp import MlpSpec
from models.networks.ports import OutputSpec

Array = np.ndarray[Any, Any]

ENCODERS: dict[str, dict[str, Any]] = {
    "linear": {"normalize": "standard"},
    "cnn": {"filters": 4, "layers": 2},
    "lstm": {"units": 4},
    "gru": {"units": 4},
    "transformer": {"width": 4, "heads": 2, "blocks": 1},
}
OUTPUT = OutputSpec("forecast", horizon=6, quantiles=(0.1, 0.5, 0.9), history="past", season=12)


def rows(count: int = 200) -> dict[str, Array]:
    """Days of different height and phase, and a price."""
    random = np.random.default_rng(0)
    turn = np.arange(24)[None, :, None] / 12 + random.random((count, 1, 2))
    window = np.sin(turn * 2 * np.pi) + random.normal(0, 0.3, (count, 1, 2))
    price = random.random((count, 1))
    return {"price": price.astype(np.float32), "past": window.astype(np.float32)}


def opened(kind: str) -> Any:
    """A network that is not trained, and the rows that full int8 is calibrated with."""
    spec = TypeAdapter(WindowEncoderSpec).validate_python({"kind": kind, **ENCODERS[kind]})
    past = window_port("past", 24, spec, (3.0, 0.0), (0.5, 1.0))
    inputs = [InputSpec("price", "dense", 1), past]
    keras.utils.set_random_seed(0)
    body = MlpSpec(units=(8,), batch_norm=False, linear_path=True)
    network = build_network(body, inputs, OUTPUT, keras)
    split = SimpleNamespace(chunks=[rows()])
    return SimpleNamespace(inputs=inputs, network=lambda: network, split=lambda _: split)


def run_lite(path: Path, signature: FileSignature, features: Mapping[str, Array]) -> Array:
    """What LiteRT answers."""
    from ai_edge_litert.interpreter import Interpreter

    answers = Interpreter(str(path)).get_signature_runner()(**by_tensor(signature, features))
    answer: Array = answers[signature.output]
    return answer


def run_onnx(path: Path, signature: FileSignature, features: Mapping[str, Array]) -> Array:
    """What ONNX Runtime answers."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    answer: Array = session.run([signature.output], by_tensor(signature, features))[0]
    return answer


def by_tensor(signature: FileSignature, features: Mapping[str, Array]) -> dict[str, Array]:
    """Features by the names of the file's inputs."""
    entries: Sequence[TensorInput] = signature.inputs
    return {entry.tensor: features[entry.feature] for entry in entries}


@pytest.mark.parametrize(
    ("kind", "precision", "mean_gap"),
    [
        *((kind, "int8_full", 0.08) for kind in ENCODERS),
        ("lstm", "float32", 1e-5),
        ("gru", "float16", 1e-3),
        ("transformer", "int8_dynamic", 0.02),
    ],
)
def test_litert_forecasts_as_keras_does(
    kind: str, precision: str, mean_gap: float, tmp_path: Path
) -> None:
    material, features = opened(kind), rows()
    signature = write_tflite(precision, material, tmp_path)
    answer = run_lite(tmp_path / "model.tflite", signature, features)
    expected = np.asarray(material.network()(features))
    # In full int8 the levels of a forecast spread over the steps of one scale.
    assert np.ptp(expected) > 30 * mean_gap
    assert np.abs(answer - expected).mean() < mean_gap


@pytest.mark.parametrize("kind", ["cnn", "lstm", "transformer"])
def test_onnx_runtime_forecasts_as_keras_does(kind: str, tmp_path: Path) -> None:
    material, features = opened(kind), rows()
    signature = write_onnx("float32", material, tmp_path)
    answer = run_onnx(tmp_path / "model.onnx", signature, features)
    np.testing.assert_allclose(answer, np.asarray(material.network()(features)), atol=1e-4)
