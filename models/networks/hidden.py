"""Hidden layers: what their config has in common, and one of them with all that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field
from typing_extensions import Self

from models.networks import parts
from models.networks.kind import NetworkKind


class HiddenSpec(NetworkKind):
    """What the hidden layers of every network have in common."""

    units: tuple[int, ...] = Field((256, 128), min_length=1)
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    batch_norm: bool = True
    dropout: float = Field(0.1, ge=0, lt=1)
    l1: float = Field(0.0, ge=0)
    l2: float = Field(0.0, ge=0)

    def widths(self) -> tuple[int, ...]:
        """The dense layers' units."""
        return self.units

    def student(self, scale: float, members: int | None) -> Self:
        """As many layers, each of them narrower."""
        return self.model_copy(update={"units": scaled(self.units, scale)})


def scaled(widths: Sequence[int], scale: float) -> tuple[int, ...]:
    """Widths of which `scale` is left, one at least."""
    return tuple(max(1, round(width * scale)) for width in widths)


def dense_block(tensor: Any, units: int, spec: HiddenSpec, keras_module: Any, name: str) -> Any:
    """A dense layer, its normalisation, activation and dropout.

    Every layer with weights has a name of its own, and none is a model: tools for tf_keras do
    not look into nested models, and weights go from one Keras to the other in their order.
    """
    layers = keras_module.layers
    penalty = parts.penalty(spec.l1, spec.l2, keras_module)
    dense = layers.Dense(units, use_bias=not spec.batch_norm, kernel_regularizer=penalty, name=name)
    tensor = dense(tensor)
    if spec.batch_norm:
        tensor = layers.BatchNormalization(name=f"{name}_norm")(tensor)
    tensor = layers.Activation(spec.activation, name=f"{name}_activation")(tensor)
    if spec.dropout:
        tensor = layers.Dropout(spec.dropout, name=f"{name}_dropout")(tensor)
    return tensor
