"""The transform graph as a module: raw columns in, transformed features out.

TF Transform's own layer looks up what each output depends on at every call, and is saved with
the traces of a Keras model: with a thousand columns that took longer than the rest of a
signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import tf2_utils

from models.features.transform_graph import load_transform_graph

Tensors = dict[str, tf.Tensor]

# What a transform graph owns beside its function, by attribute of the loaded object.
_OWNED = ("created_variables", "resources", "trackable_objects", "initializers", "assets")


class TransformLayer(tf.Module):
    """Applies a transform graph whose columns are dense.

    It tracks the tables of the graph, so that a SavedModel whose functions call it has them.
    """

    def __init__(self, graph: tft.TFTransformOutput) -> None:
        """Loads the graph.

        Args:
          graph: What TF Transform has written.
        """
        super().__init__()
        loaded, concrete = load_transform_graph(graph)
        self._owned = [getattr(loaded, name) for name in _OWNED]
        # Functions and tensors as attributes would be saved once more; the loaded object
        # must live as long as its function.
        loaded_graph: tuple[Any, Any] = (loaded, concrete)
        self._graph: Callable[[], tuple[Any, Any]] = lambda: loaded_graph

    @tf.autograph.experimental.do_not_convert
    def __call__(self, columns: Mapping[str, tf.Tensor]) -> Tensors:
        """Gives the transformed features that can be computed from some of the raw columns.

        Args:
          columns: By raw name, `[batch, 1]`.

        Raises:
          ValueError: the graph has no such column.
        """
        _, function = self._graph()
        inputs = tf2_utils.get_structured_inputs_from_func_graph(function.graph)
        unknown = sorted(set(columns) - set(inputs))
        if unknown:
            raise ValueError(
                f"Invalid columns. Expected columns of the transform graph. Received {unknown}."
            )
        absent = [name for name in inputs if name not in columns]
        filled = {name: tf.convert_to_tensor(value) for name, value in columns.items()}
        if absent:
            rows = tf.shape(next(iter(filled.values())))[0] if filled else 1
            filled |= tf2_utils.supply_missing_inputs(inputs, rows, absent)
        transformed: Mapping[str, tf.Tensor] = function(*(filled[name] for name in sorted(filled)))
        reached = _reached(inputs[name] for name in absent)
        known = tf.nest.pack_sequence_as(function.graph.structured_outputs, function.graph.outputs)
        return {
            name: value for name, value in transformed.items() if known[name].op.name not in reached
        }


def _reached(tensors: Iterable[tf.Tensor]) -> frozenset[str]:
    """The names of all operators that depend on one of the tensors."""
    waiting: list[Any] = [tensor.op for tensor in tensors]
    names: set[str] = {operator.name for operator in waiting}
    while waiting:
        operator = waiting.pop()
        for follower in (f for output in operator.outputs for f in output.consumers()):
            if follower.name not in names:
                names.add(follower.name)
                waiting.append(follower)
    return frozenset(names)
