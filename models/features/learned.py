"""What a transform graph has learned of features: vocabularies, and constants to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from contracts.arrays import Array
from contracts.errors import ModelError
from models.features.spec import FeaturesSpec
from models.features.transform_graph import load_transform_graph
from models.features.vocabularies import read_vocabularies

_PASSING = frozenset({"Identity", "PlaceholderWithDefault"})


class Learned:
    """What the graph of a problem has learned; each part is read when it is asked for."""

    def __init__(self, problem: FeaturesSpec, graph: tft.TFTransformOutput) -> None:
        self._problem = problem
        self._graph = graph

    def words(self, name: str) -> tuple[bytes, ...]:
        """The words of a feature's vocabulary in the order of their ids."""
        return self._vocabularies[name]

    def lines(self, asset: str) -> tuple[bytes, ...]:
        """The lines of a file that the graph has learned, by the file's name."""
        return tuple(self._graph.vocabulary_by_name(asset))

    def shape(self, output: str) -> tuple[int, ...]:
        """The shape of a row of a transformed feature."""
        spec = self._graph.transformed_feature_spec()[output]
        return tuple(int(size) for size in spec.shape)

    @cached_property
    def operators(self) -> Operators:
        """The graph's operators."""
        return Operators(self._graph)

    @cached_property
    def _vocabularies(self) -> dict[str, tuple[bytes, ...]]:
        return read_vocabularies(self._problem, self._graph)


class Operators:
    """The operators behind the outputs of a transform graph, and the values of its constants.

    The constants are computed by the graph from what it has learned, and are read off to the
    last bit. Which operators to expect, a kind's transform says.
    """

    def __init__(self, graph: tft.TFTransformOutput) -> None:
        self._loaded, concrete = load_transform_graph(graph)
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
        self._names = {name: tensor.name for name, tensor in _structured(concrete).items()}

    def output(self, name: str) -> Any:
        """The tensor of a transformed feature."""
        return self._graph.get_tensor_by_name(self._names[name])

    def source(self, tensor: Any) -> Any:
        """The tensor behind operators that change nothing."""
        while tensor.op.type in _PASSING:
            tensor = tensor.op.inputs[0]
        return tensor

    def inputs(self, tensor: Any, kind: str, name: str) -> list[Any]:
        """The inputs of the operator of a kind that made the tensor of feature `name`."""
        if tensor.op.type != kind:
            raise ModelError(
                f"the transform graph prepares {name!r} in a way that cannot be read off it",
                where=tensor.name,
                expected=f"the operator {kind}",
                received=str(tensor.op.type),
                fix="run Transform again: kelp run CONFIG --from Transform",
            )
        return list(tensor.op.inputs)

    def value(self, tensor: Any, place: int) -> float:
        """One entry of a vector of constants."""
        return float(self._constants(tensor)[place])

    def vector(self, tensor: Any) -> tuple[float, ...]:
        """All entries of a vector of constants."""
        return tuple(map(float, self._constants(tensor)))

    def row(self, tensor: Any, place: int) -> tuple[float, ...]:
        """One row of a matrix of constants."""
        return tuple(map(float, self._constants(tensor)[place]))

    def _constants(self, tensor: Any) -> Array:
        if tensor.name not in self._values:
            self._values[tensor.name] = self._session.run(tensor, self._learned)
        return self._values[tensor.name]


def _structured(concrete: Any) -> Mapping[str, Any]:
    outputs, flat = concrete.graph.structured_outputs, concrete.graph.outputs
    return dict(tf.nest.pack_sequence_as(outputs, flat, expand_composites=True))
