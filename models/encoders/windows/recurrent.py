"""Recurrent networks over patches of the window: LSTM and GRU."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.encoders.windows.encoder import WindowEncoder, patches


class _Recurrent(WindowEncoder):
    """What both have in common.

    Attributes:
      units: The width of the state, which is the encoding.
      patch: How many steps of the window one step of the network takes. The loop over them is
        unrolled: converters and devices know no loops.
    """

    units: int = Field(64, ge=1, le=2048)
    patch: int = Field(8, ge=1)

    def encode(self, window: Any, keras_module: Any) -> Any:
        """The last state."""
        layers = keras_module.layers
        sequence = patches(window, self.patch, keras_module)
        layer = layers.LSTM if isinstance(self, LstmEncoder) else layers.GRU
        return layer(self.units, unroll=True)(sequence)


class LstmEncoder(_Recurrent):
    """A long short-term memory."""

    kind: Literal["lstm"] = "lstm"


class GruEncoder(_Recurrent):
    """A gated recurrent unit."""

    kind: Literal["gru"] = "gru"
