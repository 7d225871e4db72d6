"""Dilated convolutions: each layer sees twice as far back as the one before it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.encoders.windows.encoder import WindowEncoder, last_step, patches


class CnnEncoder(WindowEncoder):
    """A causal convolutional network with residual connections (WaveNet, TCN).

    Attributes:
      filters: The channels of each layer.
      kernel: How many steps each filter takes.
      layers: How many layers there are; the dilation doubles with each.
      patch: How many steps are joined to one at the entry, for speed.
    """

    kind: Literal["cnn"] = "cnn"
    filters: int = Field(32, ge=1, le=1024)
    kernel: int = Field(3, ge=1, le=64)
    layers: int = Field(5, ge=1, le=12)
    patch: int = Field(4, ge=1)

    def encode(self, window: Any, keras_module: Any) -> Any:
        """The last step, and the mean of all."""
        layers = keras_module.layers
        hidden = layers.Dense(self.filters)(patches(window, self.patch, keras_module))
        for depth in range(self.layers):
            reach = (self.kernel - 1) * 2**depth
            # A convolution with padding `causal` has an operation that full int8 lacks.
            padded = layers.ZeroPadding1D((reach, 0))(hidden)
            convolved = layers.Conv1D(
                self.filters, self.kernel, dilation_rate=2**depth, activation="relu"
            )(padded)
            hidden = layers.Add()([hidden, convolved])
        parts = [last_step(hidden, keras_module), layers.GlobalAveragePooling1D()(hidden)]
        return layers.Concatenate()(parts)
