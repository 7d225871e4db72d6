"""A network as TensorFlow's quantiser can take it: no constant is added to a convolution's bias.

The quantiser crashes (signal 11) where it finds such a pair, as the hard sigmoid of MobileNetV3
has one: relu6(x + 3) / 6. To subtract -3 is the same to the last bit, and it takes that.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel


def subtract_constants(folder: Path) -> int:
    """Subtracts what a SavedModel adds to the biases of its convolutions, the sign turned.

    Args:
      folder: The SavedModel; it is written anew.

    Returns:
      How many additions were replaced.
    """
    path = folder / "saved_model.pb"
    model = SavedModel.FromString(path.read_bytes())
    library = model.meta_graphs[0].graph_def.library
    replaced = sum(_subtract_in(function) for function in library.function)
    if replaced:
        path.write_bytes(model.SerializeToString(deterministic=True))
    return replaced


def _subtract_in(function: FunctionDef) -> int:
    nodes = {node.name: node for node in function.node_def}
    replaced = 0
    for node in list(function.node_def):
        if node.op != "AddV2":
            continue
        sources = [nodes.get(name.partition(":")[0]) for name in node.input[:2]]
        for biased, constant in ((0, 1), (1, 0)):
            if _is_op(sources[biased], "BiasAdd") and _is_scalar(sources[constant]):
                negated = function.node_def.add()
                negated.CopyFrom(sources[constant])
                negated.name = f"{node.name}/negated"
                value = tf.make_ndarray(negated.attr["value"].tensor)
                negated.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(-value))
                node.op = "Sub"
                first = node.input[biased]
                del node.input[:2]
                node.input.insert(0, f"{negated.name}:output:0")
                node.input.insert(0, first)
                replaced += 1
                break
    return replaced


def _is_op(node: NodeDef | None, op: str) -> bool:
    return node is not None and node.op == op


def _is_scalar(node: NodeDef | None) -> bool:
    return (
        node is not None
        and node.op == "Const"
        and not node.attr["value"].tensor.tensor_shape.dim
        and node.attr["dtype"].type == tf.float32.as_datatype_enum
    )
