"""ONNX files: numbers after the transform in, `artifact.json` beside them."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from models.compression.formats.numeric import OUTPUT, plain_network, ports, to_features
from models.compression.formats.table import FORMATS, FileSignature
from models.compression.training_artifacts import Opened

MODEL_FILE = FORMATS["onnx"].file
_OPSET = 18


def write_onnx(precision: str, opened: Opened, folder: Path) -> FileSignature:
    """Writes `model.onnx`."""
    del precision
    import tf2onnx

    entries = ports(opened)
    network = plain_network(opened, opened.network())
    specs = [tf.TensorSpec([None, *one.row_shape], one.dtype, name=one.tensor) for one in entries]

    @tf.function(input_signature=specs, autograph=False)
    def predict(*tensors: tf.Tensor) -> tf.Tensor:
        named = {one.tensor: tensor for one, tensor in zip(entries, tensors, strict=True)}
        return tf.identity(network(to_features(entries, named)), name=OUTPUT)

    model, _ = tf2onnx.convert.from_function(
        predict, input_signature=specs, opset=_OPSET, output_path=str(folder / MODEL_FILE)
    )
    # The order of the inputs is kept; their names get an ending.
    named = [
        one.model_copy(update={"tensor": port.name})
        for one, port in zip(entries, model.graph.input, strict=True)
    ]
    return FileSignature(named, model.graph.output[0].name)
