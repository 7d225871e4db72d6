"""The SavedModel: the transform graph and the network behind named signatures.

It holds the network's variables and the transform layer, and nothing else. Keras's own
export writes every weight twice; a tracked Keras model brings its optimizer's slots along;
and variables that are not tracked break the C++ loader.

Beside the signatures it has four functions for explanations, see models/export/encoding.py and
models/export/loaded_model.py: `encode`, `head`, `score` and `encoding`. They share the variables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.columns import MISSING_INT
from contracts.names import serving_name
from contracts.results.forecast import ForecastFacts
from models.data.representation import parse_rows, raw_input_specs, raw_sizes
from models.export.canonical_graph import write_canonical_graph
from models.export.encoding import BATCH_ROWS, Halves, cut, describe, joined_widths, mean_row
from models.export.input_limits import add_input_limits
from models.features.spec import FeaturesSpec
from models.networks.memory import rows_at_once
from models.tasks import find_task

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Serving:
    """What the signatures are made of.

    Attributes:
      problem: The features and the label.
      schema: The schema with dense representations.
      transform: The layer that applies the transform graph.
      network: The trained network, in float32.
      threshold: The operating threshold; binary only.
      forecast: The levels of the quantiles and what MASE is scaled by; forecasts only.
    """

    problem: FeaturesSpec
    schema: schema_pb2.Schema
    transform: Any
    network: Any
    threshold: float | None
    forecast: ForecastFacts | None = None


class _Saved(tf.Module):
    def __init__(self, serving: Serving, sample: Mapping[str, tf.Tensor]) -> None:
        super().__init__()
        self.variables_of_network = [variable.value for variable in serving.network.variables]
        self.transform = serving.transform
        widths = joined_widths(serving.problem, serving.network)
        reference, rows = np.zeros(0), rows_at_once(serving.network, BATCH_ROWS)
        if widths:
            halves = cut(serving.network, serving.problem.task)
            reference = mean_row(halves, sample, rows)
            matrix = tf.TensorSpec([None, len(reference)], tf.float32, name="encoded")
            self.encode = _encode_function(serving, halves)
            self.head = tf.function(halves.head, input_signature=[matrix], autograph=False)
            self.score = tf.function(halves.score, input_signature=[matrix], autograph=False)
        text = describe(
            serving.problem, widths, reference, serving.threshold, serving.forecast, rows
        ).to_json()
        self.encoding = tf.function(lambda: tf.constant(text), input_signature=[], autograph=False)
        add_input_limits(self, serving.problem)


def export(serving: Serving, folder: Path, sample: Mapping[str, tf.Tensor]) -> None:
    """Writes the SavedModel.

    Args:
      serving: What the signatures are made of.
      folder: Where to write.
      sample: Transformed features of some rows: their mean is what explanations compare with.
    """
    save_module(_Saved(serving, sample), folder, _signatures(serving))


def save_module(
    module: tf.Module, folder: Path, signatures: Mapping[str, Any], gradients: bool = True
) -> None:
    """Writes a module as a SavedModel; equal modules give equal files.

    Args:
      module: What is tracked.
      folder: Where to.
      signatures: By name.
      gradients: Whether functions with a gradient of their own, such as silu, keep it. Graphs
        that another tool has written have lost it, and cannot be saved with it.
    """
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=gradients)
    tf.saved_model.save(module, str(folder), signatures=dict(signatures), options=options)
    write_canonical_graph(folder)
    derive_identifier(folder / "fingerprint.pb")


def derive_identifier(path: Path) -> None:
    """Makes a fingerprint's identifier, which is drawn at random, a digest of its hashes."""
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
    fingerprint.ClearField("uuid")
    digest = hashlib.sha256(fingerprint.SerializeToString(deterministic=True)).hexdigest()
    fingerprint.uuid = str(int(digest[:32], 16))
    path.write_bytes(fingerprint.SerializeToString(deterministic=True))


def answer(serving: Serving, features: Mapping[str, tf.Tensor]) -> Tensors:
    """Gives the outputs that a client sees, from transformed features.

    Binary: `probabilities` of the second class, `classes` and `decisions` (0 or 1) at the
    operating threshold. Multiclass: `probabilities`, `classes` and the winner's
    probability as `scores`. Regression: `predictions`. Forecast: `predictions` of each step and
    their `quantiles`.
    """
    predicted = serving.network(dict(features), training=False)
    task = find_task(serving.problem.task)
    values = _class_values(serving) if task.has_classes else serving.problem.quantiles
    return task.answer(predicted, values, serving.threshold)


def serving_inputs(problem: FeaturesSpec, schema: schema_pb2.Schema) -> dict[str, tf.DType]:
    """The features as `serving_default` takes them, with their types.

    A number is float32 whatever its raw type, so that NaN can say "missing".
    """
    raw = raw_input_specs(schema, frozenset({problem.label.name}))
    columns = problem.raw_columns()
    return {
        name: spec.dtype if columns[name].is_category(spec.dtype == tf.string) else tf.float32
        for name, spec in raw.items()
    }


def to_serving_columns(
    problem: FeaturesSpec, schema: schema_pb2.Schema, raw: Mapping[str, tf.Tensor]
) -> Tensors:
    """Turns parsed raw columns into the inputs of `serving_default`, by its names.

    `[batch, 1]` becomes `[batch]`; a column of lists stays as it is.
    """
    columns: Tensors = {}
    for name, dtype in serving_inputs(problem, schema).items():
        value = raw[name] if raw[name].shape[1] > 1 else tf.squeeze(raw[name], axis=1)
        if value.dtype == tf.int64 and dtype == tf.float32:
            number = tf.cast(value, tf.float32)
            value = tf.where(tf.equal(value, MISSING_INT), float("nan"), number)
        columns[serving_name(name)] = value
    return columns


def from_serving_columns(
    problem: FeaturesSpec, schema: schema_pb2.Schema, columns: Mapping[str, tf.Tensor]
) -> Tensors:
    """Turns the inputs of `serving_default` into raw columns `[batch, 1]`, or `[batch, size]`."""
    raw: Tensors = {}
    for name, spec in raw_input_specs(schema, frozenset({problem.label.name})).items():
        value = columns[serving_name(name)]
        to_integer = spec.dtype == tf.int64 and value.dtype == tf.float32
        value = _to_integer(value) if to_integer else value
        raw[name] = value if spec.shape[0] > 1 else tf.expand_dims(value, axis=1)
    return raw


def _to_integer(value: tf.Tensor) -> tf.Tensor:
    missing = tf.math.is_nan(value)
    # NaN has no integer: it must not reach the cast.
    known = tf.cast(tf.where(missing, 0.0, value), tf.int64)
    return tf.where(missing, tf.constant(MISSING_INT, tf.int64), known)


def served_classes(problem: FeaturesSpec, schema: schema_pb2.Schema) -> tuple[int | str, ...]:
    """The classes as answers name them: of the label's type in the data; () for regression."""
    column = next(c for c in schema.feature if c.name == problem.label.name)
    text = column.type == schema_pb2.BYTES
    return tuple(str(value) if text else int(value) for value in problem.label_classes())


def _class_values(serving: Serving) -> tf.Tensor:
    classes = served_classes(serving.problem, serving.schema)
    return tf.constant(classes, tf.string if isinstance(classes[0], str) else tf.int64)


def _signatures(serving: Serving) -> dict[str, Any]:
    label = serving.problem.label.name
    for_serving = raw_input_specs(serving.schema, frozenset({label}))
    all_columns = raw_input_specs(serving.schema)

    input_name = examples_input(all_columns)

    def transformed(examples: tf.Tensor) -> Tensors:
        return dict(serving.transform(parse_rows(examples, all_columns)))

    return {
        "serving_default": _columns_signature(serving),
        "examples": _examples_signature(
            lambda examples: answer(serving, serving.transform(parse_rows(examples, for_serving))),
            input_name,
        ),
        "transform_features": _examples_signature(transformed, input_name),
        # TFMA takes labels from here: beside `transform_features`, it would look for
        # slice columns among the transformed features.
        "labels": _examples_signature(
            lambda examples: {label: _upright(transformed(examples)[label])},
            input_name,
        ),
    }


def _upright(label: tf.Tensor) -> tf.Tensor:
    """A column where there is one value a row."""
    return tf.expand_dims(label, 1) if label.shape.rank == 1 else label


def _columns_signature(serving: Serving) -> Any:
    @tf.function(input_signature=[column_specs(serving.problem, serving.schema)], autograph=False)
    def serve(columns: Tensors) -> Tensors:
        raw = from_serving_columns(serving.problem, serving.schema, columns)
        return answer(serving, serving.transform(raw))

    return serve


def _encode_function(serving: Serving, halves: Halves) -> Any:
    @tf.function(input_signature=[column_specs(serving.problem, serving.schema)], autograph=False)
    def encode(columns: Tensors) -> tf.Tensor:
        raw = from_serving_columns(serving.problem, serving.schema, columns)
        return halves.encode(serving.transform(raw))

    return encode


def column_specs(problem: FeaturesSpec, schema: schema_pb2.Schema) -> dict[str, tf.TensorSpec]:
    """The inputs of `serving_default` by name: `[rows]`, or `[rows, size]` for lists."""
    sizes = raw_sizes(schema)
    return {
        serving_name(name): tf.TensorSpec(
            [None, sizes[name]] if sizes[name] > 1 else [None], dtype, name=serving_name(name)
        )
        for name, dtype in serving_inputs(problem, schema).items()
    }


def examples_input(columns: Iterable[str]) -> str:
    """The input of the signatures that take serialized `tf.Example`s.

    It is `examples`, but never the name of a column of the data: TFMA would feed the column.
    """
    taken = set(columns)
    name = "examples"
    while name in taken:
        name += "_"
    return name


def _examples_signature(function: Callable[[tf.Tensor], Tensors], input_name: str) -> Any:
    spec = tf.TensorSpec([None], tf.string, name=input_name)

    @tf.function(input_signature=[spec], autograph=False)
    def serve(examples: tf.Tensor) -> Tensors:
        return function(examples)

    return serve
