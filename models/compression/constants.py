"""Reads the constants of a transform graph, so that its work can be done without it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.errors import ModelError
from models.compression.preparation import Preparation, Prepared
from models.data.text import decoded
from models.features.spec import (
    BooleanSpec,
    CategoricalSpec,
    CyclicSpec,
    FeaturesSpec,
    NumericSpec,
    VocabularySpec,
)
from models.features.vocabularies import read_vocabularies

Array = np.ndarray[Any, Any]

_RAW = {
    schema_pb2.INT: "int64",
    schema_pb2.FLOAT: "float32",
    schema_pb2.BYTES: "string",
}
_HALF = 0.5
_PASSING = frozenset({"Identity", "PlaceholderWithDefault"})


def learned_preparation(
    problem: FeaturesSpec, schema: schema_pb2.Schema, graph: tft.TFTransformOutput
) -> Preparation:
    """Gives how raw columns are prepared, with every constant that the graph has learned."""
    kinds: dict[str, Any] = {column.name: _RAW[column.type] for column in schema.feature}
    reader = _Reader(graph)
    vocabularies = read_vocabularies(problem, graph)
    features: list[Prepared] = []
    for name, spec in problem.features.items():
        indicator = bool(getattr(spec, "missing_indicator", False))
        constants: dict[str, Any] = {}
        if isinstance(spec, (CategoricalSpec, VocabularySpec)):
            constants = {"vocabulary": tuple(map(decoded, vocabularies[name]))}
        elif isinstance(spec, NumericSpec):
            constants = reader.numeric(name, spec)
        elif isinstance(spec, CyclicSpec):
            constants = {"angle": float(np.float32(2.0 * math.pi / spec.period))}
        elif isinstance(spec, BooleanSpec):
            constants = {"filler": _HALF}
        features.append(Prepared(name, spec.type, kinds[name], indicator, **constants))
    return Preparation(tuple(features))


class _Reader:
    """Looks up what numeric features are filled, moved and divided by.

    Their last operators are those of `models.features.preprocessing`: a select of filler or
    number,
    then, where it is scaled, a subtraction and a division, each of many columns at once; then
    a split into columns. The constants themselves are computed by the graph from what it has
    learned, and are read off to the last bit.
    """

    def __init__(self, graph: tft.TFTransformOutput) -> None:
        # The loaded object owns what the function has captured.
        self._loaded = tf.saved_model.load(graph.transform_savedmodel_dir)
        function = self._loaded.transform_fn
        concrete = getattr(function, "concrete_functions", [function])[0]
        self._outputs: Mapping[str, tf.Tensor] = concrete.structured_outputs
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf.import_graph_def(concrete.graph.as_graph_def(), name="")
        self._session = tf.compat.v1.Session(graph=self._graph)
        placeholders = concrete.inputs[-len(concrete.captured_inputs) :]
        self._learned = {
            placeholder.name: value.numpy()
            for placeholder, value in zip(placeholders, concrete.captured_inputs, strict=True)
            if value.dtype != tf.resource
        }
        self._values: dict[str, Array] = {}
        self._names = {name: tensor.name for name, tensor in self._structured(concrete).items()}

    @staticmethod
    def _structured(concrete: Any) -> dict[str, Any]:
        outputs = concrete.graph.structured_outputs
        flat = concrete.graph.outputs
        return dict(tf.nest.pack_sequence_as(outputs, flat, expand_composites=True))

    def numeric(self, name: str, spec: NumericSpec) -> dict[str, float]:
        """Gives `filler`, and `offset` and `scale` where the number is scaled."""
        column = self._source(self._graph.get_tensor_by_name(self._names[name]))
        _, matrix = self._inputs(column, "Split", name)
        place, tensor = column.value_index, self._source(matrix)
        constants: dict[str, float] = {}
        if spec.scale != "none":
            difference, scale = self._inputs(tensor, "RealDiv", name)
            filled, offset = self._inputs(self._source(difference), "Sub", name)
            constants = {"offset": self._value(offset, place), "scale": self._value(scale, place)}
            tensor = self._source(filled)
        _, filler, _ = self._inputs(tensor, "SelectV2", name)
        return {"filler": self._value(filler, place), **constants}

    def _source(self, tensor: Any) -> Any:
        while tensor.op.type in _PASSING:
            tensor = tensor.op.inputs[0]
        return tensor

    def _inputs(self, tensor: Any, kind: str, name: str) -> list[Any]:
        if tensor.op.type != kind:
            raise ModelError(
                f"the transform graph prepares {name!r} in a way that cannot be read off it",
                where=tensor.name,
                expected=f"the operator {kind}",
                received=str(tensor.op.type),
                fix="run Transform again: kelp run CONFIG --from Transform",
            )
        return list(tensor.op.inputs)

    def _value(self, tensor: Any, place: int) -> float:
        if tensor.name not in self._values:
            self._values[tensor.name] = self._session.run(tensor, self._learned)
        return float(self._values[tensor.name][place])
