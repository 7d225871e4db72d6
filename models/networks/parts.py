"""What networks have in common: their inputs, dense blocks and the head.

The Keras module is an argument: Keras 3 trains a network, and tf_keras can build the same
one for tools that know no other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from models.features.ports import encode_ports
from models.networks.ports import InputSpec, OutputSpec
from models.networks.spec import HiddenSpec
from models.tasks import find_task

FEATURES_LAYER = "features"
# Layers' own names, those that Keras gives, and those given here to columns.
_TAKEN = re.compile(
    r"features|image|flat|probability|probabilities|standardised|prediction"
    r"|(input|block|convolution|embedding|flatten|category_encoding|piecewise_encoding)(_\d+)?"
)


def joined_features(inputs: Sequence[InputSpec], keras_module: Any) -> tuple[dict[str, Any], Any]:
    """Gives the inputs by name, and one tensor of all features, encoded."""
    layers = keras_module.layers
    entries = {port.name: entry(i, port, keras_module) for i, port in enumerate(inputs)}
    joined = encode_ports(inputs, entries, keras_module)
    # The SavedModel is cut at this layer for explanations: see models/export/encoding.py.
    join = layers.Concatenate if len(joined) > 1 else partial(layers.Activation, "linear")
    return entries, join(name=FEATURES_LAYER)(joined if len(joined) > 1 else joined[0])


def entry(index: int, port: InputSpec, keras_module: Any) -> Any:
    """The input of one transformed feature."""
    # Keras warns of each entry that has another name than its key.
    name = port.name if _is_free(port.name) else f"input_{index}"
    return keras_module.Input(shape=port.row_shape, dtype=port.encoding.dtype, name=name)


def _is_free(name: str) -> bool:
    """Whether Keras takes the name, and no other layer can have it."""
    return bool(name) and "/" not in name and not _TAKEN.fullmatch(name)


def dense_block(index: int, units: int, spec: HiddenSpec, keras_module: Any) -> Any:
    """A dense layer, its normalisation, activation and dropout."""
    layers, regularizers = keras_module.layers, keras_module.regularizers
    penalty = regularizers.L1L2(spec.l1, spec.l2) if spec.l1 or spec.l2 else None
    steps = [layers.Dense(units, use_bias=not spec.batch_norm, kernel_regularizer=penalty)]
    if spec.batch_norm:
        steps.append(layers.BatchNormalization())
    steps.append(layers.Activation(spec.activation))
    if spec.dropout:
        steps.append(layers.Dropout(spec.dropout))
    return keras_module.Sequential(steps, name=f"block_{index}")


def head(output: OutputSpec, layers: Any) -> Any:
    """The last layer, as the task has it: its result is float32 also under mixed precision."""
    return find_task(output.task).head(output, layers)
