"""A linear model as a network: logistic, softmax or ridge regression, by the task."""

from __future__ import annotations

import math
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

    The values of a window are divided by the root of their number, so that all of them together
    have the steps and the penalties of one number: their weights move at once.

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
        entries, encoded = parts.encoded_features(inputs, keras_module)
        joined = parts.join_features(encoded, keras_module)
        scaled = layers.Rescaling(_gains(inputs, encoded), name="scaled_features")(joined)
        # The penalties are those of the weights of the features as they are.
        penalty = parts.penalty(self.l1 * _GAIN, self.l2 * _GAIN**2, keras_module)
        head = parts.head(output, layers, kernel_regularizer=penalty, kernel_initializer="zeros")
        return keras_module.Model(inputs=entries, outputs=head(scaled), name="linear")

    def student_conflict(self, scale: float, members: int | None) -> str | None:
        """There is nothing narrower than a line."""
        return "a student is a narrower network, and a linear one has no hidden layer"


def _gains(inputs: Sequence[InputSpec], encoded: Sequence[Any]) -> float | list[float]:
    """By encoded number, what scales it; one figure where all are alike."""
    if all(port.kind != "window" for port in inputs):
        return _GAIN
    counts = [port.size if port.kind == "window" else 1 for port in inputs]
    widths = [tensor.shape[-1] for tensor in encoded]
    pairs = zip(counts, widths, strict=True)
    return [_GAIN / math.sqrt(count) for count, width in pairs for _ in range(width)]
