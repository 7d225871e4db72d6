"""What networks have in common: their inputs and the head.

The Keras module is an argument: Keras 3 trains a network, and tf_keras can build the same
one for tools that know no other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

from models.features.ports import encode_ports
from models.networks.ports import InputSpec, OutputSpec
from models.tasks import find_task

FEATURES_LAYER = "features"
# Layers' own names, those that Keras gives, and those given here to columns.
_TAKEN = re.compile(
    r"features|image|flat|probability|probabilities|standardised|prediction"
    r"|(input|embedding|flatten|category_encoding|(piecewise|periodic)_encoding)(_\d+)?"
    r"|(member_\d+_)?((block|convolution|cross|token|attention)_\d+(_[a-z]+)*|stem|last_[a-z]+)"
    r"|members|mean_of_members|member_(scales|rows|columns|views)|wide_and_deep|scaled_features"
    r"|deep_and_cross|feature_columns|tokens|pooled"
)
_NUMBER = re.compile(r"_\d+$")


def joined_features(inputs: Sequence[InputSpec], keras_module: Any) -> tuple[dict[str, Any], Any]:
    """Gives the inputs by name, and one tensor of all features, encoded."""
    entries, encoded = encoded_features(inputs, keras_module)
    return entries, join_features(encoded, keras_module)


def encoded_features(
    inputs: Sequence[InputSpec], keras_module: Any
) -> tuple[dict[str, Any], list[Any]]:
    """Gives the inputs by name, and the encoded tensor of each."""
    entries = {port.name: entry(i, port, keras_module) for i, port in enumerate(inputs)}
    return entries, encode_ports(inputs, entries, keras_module)


def join_features(encoded: Sequence[Any], keras_module: Any) -> Any:
    """Joins encoded features in the layer that explanations cut: models/export/encoding.py."""
    layers = keras_module.layers
    join = layers.Concatenate if len(encoded) > 1 else partial(layers.Activation, "linear")
    return join(name=FEATURES_LAYER)(list(encoded) if len(encoded) > 1 else encoded[0])


def entry(index: int, port: InputSpec, keras_module: Any) -> Any:
    """The input of one transformed feature."""
    # Keras warns of each entry that has another name than its key.
    name = port.name if _is_free(port.name, keras_module) else f"input_{index}"
    return keras_module.Input(shape=port.row_shape, dtype=port.encoding.dtype, name=name)


def _is_free(name: str, keras_module: Any) -> bool:
    """Whether Keras takes the name, and no other layer can have it."""
    if not name or "/" in name or _TAKEN.fullmatch(name):
        return False
    return _NUMBER.sub("", name).replace("_", "") not in _names_by_class(keras_module)


@lru_cache
def _names_by_class(keras_module: Any) -> frozenset[str]:
    """What Keras calls layers without a name, and operations of a user's own network.

    It is the name of the class, as in `layer_normalization_1`; the underscores are left out.
    """
    from models.features.layers import layer_classes

    ours = [kind.__name__ for kind in layer_classes(keras_module.layers.Layer).values()]
    theirs = [*dir(keras_module.layers), *dir(getattr(keras_module, "ops", None))]
    return frozenset(name.replace("_", "").lower() for name in [*ours, *theirs])


def penalty(l1: float, l2: float, keras_module: Any) -> Any:
    """The regulariser of a kernel; None where there is none."""
    return keras_module.regularizers.L1L2(l1, l2) if l1 or l2 else None


def head(output: OutputSpec, layers: Any, **dense: Any) -> Any:
    """The last layer, as the task has it: its result is float32 also under mixed precision.

    Args:
      output: Its task decides the layers.
      layers: Keras's module of layers.
      dense: What the task's dense layer is given on top, such as `kernel_regularizer`.
    """
    if dense:
        known = {name: getattr(layers, name) for name in dir(layers) if not name.startswith("_")}
        layers = SimpleNamespace(**{**known, "Dense": partial(layers.Dense, **dense)})
    return find_task(output.task).head(output, layers)
