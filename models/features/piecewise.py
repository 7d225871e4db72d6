"""Numbers by bins: how far each has come through every bin that train's quantiles bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.features.ports import Encoding, InputSpec

# Of the range between the first and the last knot: narrower bins are steps in float32.
_NARROWEST = 1e-6


def piecewise_port(name: str, bounds: Sequence[float]) -> InputSpec:
    """A number that the network encodes by its bins.

    Args:
      name: The feature.
      bounds: The bins' bounds in order; equal ones bound no bin.
    """
    return InputSpec(name, "piecewise", 1, own=_ENCODING, knots=_distinct(bounds))


def _distinct(bounds: Sequence[float]) -> tuple[float, ...]:
    """Rising knots, two at least: a column of one value has one bin, and stays at its start."""
    narrowest = _NARROWEST * (bounds[-1] - bounds[0])
    knots = [float(bounds[0])]
    for bound in bounds[1:]:
        if bound > knots[-1] + narrowest:
            knots.append(float(bound))
    return tuple(knots) if len(knots) > 1 else (knots[0], knots[0] + 1.0)


def _encode(ports: Sequence[InputSpec], tensors: Sequence[Any], keras_module: Any) -> list[Any]:
    from models.features.layers import layer_classes

    # float32 also under mixed precision: bins may be narrower than float16 can tell apart.
    layer = layer_classes(keras_module.layers.Layer)["piecewise"](
        [port.knots for port in ports], dtype="float32"
    )
    return list(layer(list(tensors))) if len(tensors) > 1 else [layer(tensors[0])]


_ENCODING = Encoding("float32", None, "numbers", encode_together=_encode, group="piecewise")
