"""A linear model as a network: logistic, softmax or ridge regression, by the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from models.networks import parts
from models.networks.kind import NetworkKind
from models.networks.ports import InputSpec, OutputSpec

# A line has no hidden layer whose many small steps add up: with Adam's steps of one size, its
# few weights would need thousands of them. Scaled features are steps as many times larger.
_GAIN = 30.0


class LinearSpec(NetworkKind):
    """A linear model of the encoded features.

    Attributes:
      l1: The penalty on the weights' absolute values (lasso).
      l2: The penalty on their squares (ridge).
    """

    kind: Literal["linear"]
    l1: float = Field(0.0, ge=0)
    l2: float = Field(0.0, ge=0)

    def build(self, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
        """The features and the head; see `NetworkKind`."""
        layers = keras_module.layers
        entries, joined = parts.joined_features(inputs, keras_module)
        scaled = layers.Rescaling(_GAIN, name="scaled_features")(joined)
        # The penalties are those of the weights of the features as they are.
        penalty = parts.penalty(self.l1 * _GAIN, self.l2 * _GAIN**2, keras_module)
        head = parts.head(output, layers, kernel_regularizer=penalty, kernel_initializer="zeros")
        return keras_module.Model(inputs=entries, outputs=head(scaled), name="linear")

    def student_conflict(self, scale: float, members: int | None) -> str | None:
        """There is nothing narrower than a line."""
        return "a student is a narrower network, and a linear one has no hidden layer"
