"""How many rows a network is asked about at once: attention takes megabytes for a long text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

_BYTES = 1 << 29  # a gradient takes some times as much
_FEWEST = 16
_NUMBER = 4


def rows_at_once(network: Any, most: int) -> int:
    """How many rows fit into half a gigabyte of what the layers give.

    Args:
      network: A functional model of Keras 3.
      most: The most rows.
    """
    row_bytes = _NUMBER * max(1, sum(_sizes(network)))
    return min(most, max(_FEWEST, _BYTES // row_bytes))


def _sizes(network: Any) -> Iterator[int]:
    """How many numbers each layer gives for a row."""
    for layer in getattr(network, "layers", ()):
        for node in getattr(layer, "_inbound_nodes", ()):
            for tensor in node.output_tensors:
                yield math.prod(size or 1 for size in tensor.shape[1:])
