"""SavedModels with smaller weights: the transform graph in front, two signatures, one network.

`float16` and `int8_weights` store the matrices in fewer bits and widen them in the graph.
`int8` goes through TensorFlow's own quantiser: eight-bit weights, and activations that are
quantised as they come. The two signatures call one function: each would hold a copy of the
weights otherwise, because a quantised network keeps them as constants.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from contracts.errors import ModelError
from models.compression.formats.added_constants import subtract_constants
from models.compression.formats.numeric import OUTPUT, SIGNATURE, ports, save_network, to_tensors
from models.compression.training_artifacts import Opened
from models.data.representation import parse_rows, raw_input_specs
from models.export.encoding import BATCH_ROWS
from models.export.input_limits import add_input_limits, add_row_limit
from models.export.saved_model import (
    Serving,
    answer,
    column_specs,
    examples_input,
    from_serving_columns,
    save_module,
)
from models.networks.memory import rows_at_once

Tensors = dict[str, tf.Tensor]

_SMALL = 64  # weights; a scale for each channel would take as much room


def write_savedmodel(precision: str, opened: Opened, folder: Path) -> None:
    """Writes the SavedModel; see the module for the precisions."""
    network = opened.network()
    if precision == "int8":
        with tempfile.TemporaryDirectory(prefix="kelp-int8-") as scratch:
            quantised = _quantised(opened, network, Path(scratch))
            _save(opened, quantised, folder, network)
        return
    stores = {"float32": _Keep, "float16": _store_float16, "int8_weights": _store_int8}
    _save(opened, _Stored(network, stores[precision]), folder, network)


def save_served(opened: Opened, network: Any, folder: Path) -> None:
    """Writes a Keras network behind the transform graph, with the two signatures that are served.

    Args:
      opened: The training artifacts that it comes from.
      network: The network, whose weights may have been changed.
      folder: Where to.
    """
    _save(opened, _Stored(network, _Keep), folder, network)


class _Keep(tf.Module):
    def __init__(self, value: Array) -> None:
        super().__init__()
        self.kept = tf.Variable(value, trainable=False)

    def read(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.kept)


class _Half(tf.Module):
    def __init__(self, value: Array) -> None:
        super().__init__()
        self.half = tf.Variable(value.astype(np.float16), trainable=False)

    def read(self) -> tf.Tensor:
        return tf.cast(self.half, tf.float32)


class _Eighth(tf.Module):
    """Eight bits, symmetric, with a scale for each channel: the last axis."""

    def __init__(self, value: Array) -> None:
        super().__init__()
        axes = tuple(range(value.ndim - 1))
        largest = np.abs(value).max(axis=axes)
        scale = np.where(largest > 0, largest / 127.0, 1.0).astype(np.float32)
        self.integers = tf.Variable(np.rint(value / scale).astype(np.int8), trainable=False)
        self.scale = tf.Variable(scale, trainable=False)

    def read(self) -> tf.Tensor:
        return tf.cast(self.integers, tf.float32) * self.scale


def _store_float16(value: Array) -> Any:
    return _Half(value) if value.dtype == np.float32 and value.ndim > 1 else _Keep(value)


def _store_int8(value: Array) -> Any:
    large = value.dtype == np.float32 and value.ndim > 1 and value.size >= _SMALL
    return _Eighth(value) if large else _Keep(value)


class _Stored(tf.Module):
    """The network, called with weights that are stored otherwise."""

    def __init__(self, network: Any, store: Any) -> None:
        super().__init__()
        self._network = _Hidden(network)
        self.trainable = [store(v.numpy()) for v in network.trainable_variables]
        self.others = [store(v.numpy()) for v in network.non_trainable_variables]

    def __call__(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        del training
        outputs, _ = self._network.value.stateless_call(
            [stored.read() for stored in self.trainable],
            [stored.read() for stored in self.others],
            dict(features),
            training=False,
        )
        return outputs


class _Hidden:
    """Keeps an object out of what a `tf.Module` tracks, and so out of the SavedModel."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Quantised(tf.Module):
    """A network that TensorFlow's quantiser wrote."""

    def __init__(self, opened: Opened, folder: Path) -> None:
        super().__init__()
        loaded = tf.saved_model.load(str(folder))
        self._loaded = _Hidden(loaded)
        self._ports = _Hidden(ports(opened))
        parts = tf.train.TrackableView(loaded).descendants()
        self.kept = [part for part in parts if isinstance(part, tf.Variable)]

    def __call__(self, features: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        del training
        tensors = to_tensors(self._ports.value, features)
        return self._loaded.value.signatures[SIGNATURE](**tensors)[OUTPUT]


def _quantised(opened: Opened, network: Any, scratch: Path) -> Any:
    save_network(opened, network, scratch / "float")
    subtract_constants(scratch / "float")
    quantization = tf.quantization.experimental
    options = quantization.QuantizationOptions(
        quantization_method=quantization.QuantizationMethod(
            preset_method="METHOD_DYNAMIC_RANGE_INT8"
        ),
        # Plain TensorFlow operators: the default set needs XLA wherever the model is served.
        op_set="TF",
        tags=["serve"],
        signature_keys=[SIGNATURE],
        min_num_elements_for_weights=_SMALL,
    )
    quantization.quantize_saved_model(
        str(scratch / "float"), str(scratch / "int8"), quantization_options=options
    )
    quantised = _Quantised(opened, scratch / "int8")
    _require_eight_bits(quantised)
    return quantised


def _require_eight_bits(quantised: Any) -> None:
    """The quantiser leaves alone what it does not know, without a word."""
    graph = quantised._loaded.value.signatures[SIGNATURE].graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    if not any(n.op == "Const" and n.attr["dtype"].type == tf.int8.as_datatype_enum for n in nodes):
        raise ModelError(
            "TensorFlow's quantiser found nothing to quantise in the network",
            expected="matrix products, convolutions or embeddings with constant weights",
            fix="choose the format savedmodel_int8_weights",
        )


class _Saved(tf.Module):
    """What is tracked: the network's weights, and the tables of the transform graph.

    The transform layer itself would bring the graph of its wrappers along.
    """

    def __init__(self, serving: Serving, captured: Sequence[tf.Tensor]) -> None:
        super().__init__()
        self.network = serving.network
        used = {id(tensor) for tensor in captured}
        parts = tf.train.TrackableView(serving.transform).descendants()
        self.tables = [one for one in parts if id(getattr(one, "resource_handle", None)) in used]


def _save(opened: Opened, stored: Any, folder: Path, network: Any) -> None:
    serving = opened.serving(stored)
    signatures = _signatures(serving)
    function = signatures["examples"].get_concrete_function()
    saved = _Saved(serving, function.captured_inputs)
    add_input_limits(saved, serving.problem)
    add_row_limit(saved, rows_at_once(network, BATCH_ROWS))
    save_module(saved, folder, signatures, gradients=False)


def _signatures(serving: Serving) -> dict[str, Any]:
    """The two signatures that are served; they share one function, and so its constants."""
    problem, schema = serving.problem, serving.schema
    raw_specs = raw_input_specs(schema, frozenset({problem.label.name}))
    raw = {name: tf.TensorSpec([None, *spec.shape], spec.dtype) for name, spec in raw_specs.items()}

    @tf.function(input_signature=[raw], autograph=False)
    def predict(columns: Tensors) -> Tensors:
        return answer(serving, serving.transform(columns))

    @tf.function(input_signature=[column_specs(problem, schema)], autograph=False)
    def serve(columns: Tensors) -> Tensors:
        answers: Tensors = predict(from_serving_columns(problem, schema, columns))
        return answers

    serialized = tf.TensorSpec([None], tf.string, name=examples_input(raw_input_specs(schema)))

    @tf.function(input_signature=[serialized], autograph=False)
    def serve_examples(examples: tf.Tensor) -> Tensors:
        answers: Tensors = predict(parse_rows(examples, raw_specs))
        return answers

    return {"serving_default": serve, "examples": serve_examples}
