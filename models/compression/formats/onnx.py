"""ONNX files: numbers after the transform in, `artifact.json` beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from contracts.artifact import ROWS_AT_ONCE
from models.compression.formats.numeric import OUTPUT, plain_network, ports, to_features
from models.compression.formats.table import FORMATS, FileSignature
from models.compression.training_artifacts import Opened
from models.networks.memory import rows_at_once
from models.processes.garbage import prompt_collection

MODEL_FILE = FORMATS["onnx"].file
_OPSET = 18


def write_onnx(precision: str, opened: Opened, folder: Path) -> FileSignature:
    """Writes `model.onnx`."""
    del precision
    import tf2onnx

    entries = ports(opened)
    trained = opened.network()
    network = plain_network(opened, trained)
    specs = [
        tf.TensorSpec([None, *entry.row_shape], entry.dtype, name=entry.tensor) for entry in entries
    ]

    @tf.function(input_signature=specs, autograph=False)
    def predict(*tensors: tf.Tensor) -> tf.Tensor:
        named = {entry.tensor: tensor for entry, tensor in zip(entries, tensors, strict=True)}
        return tf.identity(network(to_features(entries, named)), name=OUTPUT)

    # It copies the graph, with all weights, for each pass of its optimisers.
    with prompt_collection():
        model, _ = tf2onnx.convert.from_function(
            predict,
            input_signature=specs,
            opset=_OPSET,
            custom_op_handlers={"Erfc": (_write_erfc, [])},
        )
    name_constants(model.graph)
    (folder / MODEL_FILE).write_bytes(model.SerializeToString(deterministic=True))
    # The order of the inputs is kept; their names get an ending.
    named = [
        entry.model_copy(update={"tensor": port.name})
        for entry, port in zip(entries, model.graph.input, strict=True)
    ]
    rows = rows_at_once(trained, ROWS_AT_ONCE)
    return FileSignature(named, model.graph.output[0].name, rows)


def _write_erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Writes 1 - erf(x): tf2onnx knows no erfc, which is TensorFlow's part of GELU."""
    del arguments
    error = graph.make_node("Erf", [node.input[0]])
    one = graph.make_const(f"{name}__one", np.array(1, np.float32))
    node.type = "Sub"
    graph.replace_inputs(node, [one.output[0], error.output[0]])


def name_constants(graph: Any) -> None:
    """Names constants by their first use, and puts them into that order.

    Of equal constants tf2onnx keeps one, and which one depends on Python's hashes of strings:
    the same network would give another file in each process.
    """
    names: dict[str, str] = {}
    constants = {constant.name: constant for constant in graph.initializer}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in constants:
                names.setdefault(name, f"{node.name}/input_{place}")
    if _has_inner_graphs(graph):
        return
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    for value in graph.value_info:
        value.name = names.get(value.name, value.name)
    unused = sorted(constants.keys() - names.keys())
    ordered = []
    for name in (*names, *unused):
        constant = type(constants[name])()
        constant.CopyFrom(constants[name])
        constant.name = names.get(name, name)
        ordered.append(constant)
    del graph.initializer[:]
    graph.initializer.extend(ordered)


def _has_inner_graphs(graph: Any) -> bool:
    """Whether a node has a graph of its own, which could use constants of this one."""
    return any(
        attribute.HasField("g") or attribute.graphs
        for node in graph.node
        for attribute in node.attribute
    )
