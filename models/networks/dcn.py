"""Deep and cross network (DCN-v2): products of features beside or before hidden layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from models.networks import parts
from models.networks.hidden import HiddenSpec, dense_block
from models.networks.ports import InputSpec, OutputSpec


class DcnSpec(HiddenSpec):
    """Cross layers, each of which multiplies the features once more (Wang et al., 2021).

    Attributes:
      units: The hidden layers.
      crosses: How many cross layers there are.
      rank: The width in the middle of a cross layer's matrix; the matrix is whole where that
        has no more weights.
      structure: Whether the hidden layers are beside the cross layers, or come after them.
    """

    kind: Literal["dcn"]
    crosses: int = Field(2, ge=1)
    rank: int = Field(64, ge=1)
    structure: Literal["parallel", "stacked"] = "parallel"

    def build(self, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
        """Cross layers and dense blocks; see `NetworkKind`."""
        layers = keras_module.layers
        entries, joined = parts.joined_features(inputs, keras_module)
        crossed = joined
        for index in range(self.crosses):
            crossed = _cross(joined, crossed, self, keras_module, f"cross_{index}")
        hidden = crossed if self.structure == "stacked" else joined
        for index, units in enumerate(self.units):
            hidden = dense_block(hidden, units, self, keras_module, f"block_{index}")
        if self.structure == "parallel":
            hidden = layers.Concatenate(name="deep_and_cross")([hidden, crossed])
        outputs = parts.head(output, layers)(hidden)
        return keras_module.Model(inputs=entries, outputs=outputs, name="dcn")


def _cross(first: Any, tensor: Any, spec: DcnSpec, keras_module: Any, name: str) -> Any:
    """The features times a linear map of the tensor, and the tensor."""
    layers = keras_module.layers
    penalty = parts.penalty(spec.l1, spec.l2, keras_module)
    width, mapped = first.shape[-1], tensor
    if 2 * spec.rank < width:
        narrow = layers.Dense(
            spec.rank, use_bias=False, kernel_regularizer=penalty, name=f"{name}_narrow"
        )
        mapped = narrow(tensor)
    mapped = layers.Dense(width, kernel_regularizer=penalty, name=name)(mapped)
    product = layers.Multiply(name=f"{name}_product")([first, mapped])
    return layers.Add(name=f"{name}_sum")([product, tensor])
