"""The values themselves: a linear network of them is a regression on lags."""

from __future__ import annotations

from typing import Any, Literal

from models.encoders.windows.encoder import WindowEncoder


class LinearEncoder(WindowEncoder):
    """See the module."""

    kind: Literal["linear"] = "linear"
    values: Literal[True] = True

    def encode(self, window: Any, keras_module: Any) -> Any:
        """There is nothing beside the values."""
