"""How a window enters a network: normalised, encoded, and joined with what was taken from it.

The encoded window is, side by side: the encoding, the normalised values column by column, each
column's level and, where it was divided by it, its deviation. A forecast of the window's first
column returns to these: see models/encoders/windows/history.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from models.encoders.windows.encoder import WindowEncoder
from models.encoders.windows.linear import LinearEncoder
from models.features.ports import Encoding, InputSpec


@dataclass(frozen=True)
class WindowEncoding(Encoding):
    """The encoding of a port of windows.

    Attributes:
      encoder: The encoder of the config.
      offsets: What the transform took from each column's values.
      scales: What it divided the rest by.
      reference_steps: The last steps that must come with the encoding, oldest first: a forecast
        starts from them.
    """

    encoder: WindowEncoder = field(default_factory=LinearEncoder)
    offsets: tuple[float, ...] = (0.0,)
    scales: tuple[float, ...] = (1.0,)
    reference_steps: int = 0


def window_port(
    name: str,
    steps: int,
    encoder: WindowEncoder,
    offsets: tuple[float, ...] = (0.0,),
    scales: tuple[float, ...] = (1.0,),
) -> InputSpec:
    """A window as it enters a network.

    Args:
      name: The feature.
      steps: How many steps it has.
      encoder: How it is encoded.
      offsets: What the transform took from each column's values.
      scales: What it divided the rest by.
    """
    own = WindowEncoding(
        "float32", _encode, "numbers", encoder=encoder, offsets=offsets, scales=scales
    )
    shape = (steps, len(offsets))
    return InputSpec(name, "window", shape[0] * shape[1], shape=shape, own=own)


def _encode(port: InputSpec, tensor: Any, keras_module: Any) -> Any:
    own = port.encoding
    if not isinstance(own, WindowEncoding):
        raise TypeError(f"{port.name} is no window")
    layers = keras_module.layers
    moments, window = _normalized(own.encoder, tensor, keras_module)
    encoded = own.encoder.encode(window, keras_module)
    parts = [] if encoded is None else [encoded]
    if own.encoder.values:
        parts.append(_by_column(window, keras_module))
    elif own.reference_steps:
        skipped = window.shape[1] - own.reference_steps
        recent = layers.Cropping1D((skipped, 0))(window) if skipped else window
        parts.append(_by_column(recent, keras_module))
    parts += moments
    return layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


def _by_column(window: Any, keras_module: Any) -> Any:
    """All steps of the first column, then those of the next one."""
    layers = keras_module.layers
    several = window.shape[-1] > 1
    return layers.Flatten()(layers.Permute([2, 1])(window) if several else window)


def _normalized(encoder: WindowEncoder, window: Any, keras_module: Any) -> tuple[list[Any], Any]:
    """Gives what is taken from the window, `[batch, columns]` each, and the rest of it."""
    layers = keras_module.layers
    if encoder.normalize == "none":
        return [], window
    columns = window.shape[-1]
    level = layers.GlobalAveragePooling1D(dtype="float32")(window)
    centred = layers.Subtract(dtype="float32")([window, layers.Reshape([1, columns])(level)])
    if encoder.normalize == "level":
        return [level], centred
    from models.features.layers import layer_classes

    by_deviation = layer_classes(layers.Layer)["deviation"](dtype="float32")
    deviation, divided = by_deviation(centred)
    return [level, deviation], divided
