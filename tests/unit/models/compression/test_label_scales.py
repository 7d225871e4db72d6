"""A label that was learned in another unit comes out of the eight-bit and the ONNX files, too."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.compression.formats.numeric import to_tensors
from models.compression.formats.onnx import write_onnx
from models.compression.formats.savedmodel import _Quantised, _quantised
from models.compression.formats.tflite import write_tflite
from models.data.transformed import output_spec
from models.features.spec import FeaturesSpec
from models.networks import InputSpec, build_network
from models.networks.spec import MlpSpec
from models.tasks.label_scale import to_learned

Array = np.ndarray[Any, Any]
Answer = Callable[[Any, Path], Array]

SCALES = ("standard", "log1p", "quantile")
ROWS = {"x": np.linspace(-2, 2, 200, dtype=np.float32)[:, None]}
LABELS = np.random.default_rng(0).lognormal(3, 0.7, 500).astype(np.float32)


@cache
def opened(scale: str) -> Any:
    """A network that says the rank of `x` in the label's own unit: a line, set by hand."""
    problem = FeaturesSpec.model_validate(
        {
            "task": "regression",
            "label": {"name": "y", "scale": scale},
            "features": {"x": {"type": "numeric"}},
        }
    )
    inputs, output = [InputSpec("x", "dense", 1)], output_spec(problem, LABELS)
    body = MlpSpec(units=(8, 8), batch_norm=False, linear_path=True)
    network = build_network(body, inputs, output, keras)
    network.get_layer("standardised").set_weights(
        [np.array([[0.0]] * 8 + [[0.8]], np.float32), np.zeros(1, np.float32)]
    )
    split = SimpleNamespace(chunks=[ROWS])
    return SimpleNamespace(
        inputs=inputs, output=output, network=lambda: network, split=lambda _: split
    )


def answer_savedmodel(material: Any, folder: Path) -> Array:
    """The network that TensorFlow's quantiser writes."""
    quantised: _Quantised = _quantised(material, material.network(), folder)
    answer: Array = quantised({"x": tf.constant(ROWS["x"])}, training=False).numpy()
    return answer


def answer_tflite(material: Any, folder: Path) -> Array:
    """LiteRT's answer in full int8."""
    from ai_edge_litert.interpreter import Interpreter

    signature = write_tflite("int8_full", material, folder)
    runner = Interpreter(str(folder / "model.tflite")).get_signature_runner()
    answer: Array = runner(**to_tensors(signature.inputs, ROWS))[signature.output]
    return answer


def answer_onnx(material: Any, folder: Path) -> Array:
    """ONNX Runtime's answer in float32."""
    import onnxruntime

    signature = write_onnx("float32", material, folder)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    rows = {name: np.asarray(value) for name, value in to_tensors(signature.inputs, ROWS).items()}
    answer: Array = session.run([signature.output], rows)[0]
    return answer


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("answer", "gap"), [(answer_savedmodel, 0.03), (answer_tflite, 0.06), (answer_onnx, 1e-4)]
)
def test_a_file_undoes_the_scale_of_the_label(
    scale: str, answer: Answer, gap: float, tmp_path: Path
) -> None:
    material = opened(scale)
    expected = np.asarray(material.network()(ROWS))[:, 0]
    predicted = answer(material, tmp_path)[:, 0]
    assert np.ptp(expected) > 20
    learned = [to_learned(material.output, values) for values in (predicted, expected)]
    # In units of what is learned: there every row counts alike, and full int8 has 256 of them.
    assert np.abs(learned[0] - learned[1]).mean() < gap * material.output.deviation
