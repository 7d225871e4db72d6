"""A residual perceptron: blocks that add to what they are given, each normalised before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field
from typing_extensions import Self

from models.networks import parts
from models.networks.hidden import scaled
from models.networks.ports import InputSpec, OutputSpec
from models.networks.towers import TowerSpec, build_towers


class ResidualSpec(TowerSpec):
    """A perceptron whose blocks have a path around them (He et al., 2016).

    Attributes:
      units: The width inside each block.
      width: The width between blocks, and of what the head takes.
    """

    kind: Literal["residual"]
    units: tuple[int, ...] = Field((256, 256), min_length=1)
    width: int = Field(128, ge=1)

    def widths(self) -> tuple[int, ...]:
        """The blocks' units, and the width between them."""
        return (*self.units, self.width)

    def student(self, scale: float, members: int | None) -> Self:
        """Narrower blocks, and as many members as are asked for."""
        student = super().student(scale, members)
        return student.model_copy(update={"width": scaled([self.width], scale)[0]})

    def build(self, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
        """A stem and the blocks; see `NetworkKind`."""

        def tower(tensor: Any, prefix: str) -> Any:
            tensor = keras_module.layers.Dense(self.width, name=f"{prefix}stem")(tensor)
            for index, units in enumerate(self.units):
                tensor = _block(tensor, units, self, keras_module, f"{prefix}block_{index}")
            return _normalised(tensor, self, keras_module, f"{prefix}last")

        return build_towers(self, inputs, output, keras_module, tower)


def _block(tensor: Any, units: int, spec: ResidualSpec, keras_module: Any, name: str) -> Any:
    """Norm, dense, activation, dropout, dense, and what came in."""
    layers = keras_module.layers
    penalty = parts.penalty(spec.l1, spec.l2, keras_module)
    hidden = tensor
    if spec.batch_norm:
        hidden = layers.BatchNormalization(name=f"{name}_norm")(hidden)
    hidden = layers.Dense(units, kernel_regularizer=penalty, name=f"{name}_in")(hidden)
    hidden = layers.Activation(spec.activation, name=f"{name}_activation")(hidden)
    if spec.dropout:
        hidden = layers.Dropout(spec.dropout, name=f"{name}_dropout")(hidden)
    out = layers.Dense(spec.width, kernel_regularizer=penalty, name=f"{name}_out")
    return layers.Add(name=f"{name}_sum")([tensor, out(hidden)])


def _normalised(tensor: Any, spec: ResidualSpec, keras_module: Any, name: str) -> Any:
    layers = keras_module.layers
    if spec.batch_norm:
        tensor = layers.BatchNormalization(name=f"{name}_norm")(tensor)
    return layers.Activation(spec.activation, name=f"{name}_activation")(tensor)
