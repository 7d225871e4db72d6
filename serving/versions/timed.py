"""A servable that tells how long its runtime took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from serving.codec.signature import Signature
from serving.servable import Servable


class TimedServable:
    """Times every call of another servable.

    Attributes:
      signatures: The other's.
      metadata: The other's.
      steady: The other's.

    Args:
      servable: The other.
      took: Gets the method of each answered call's signature, and its seconds, on whatever
        thread it ran.
    """

    def __init__(self, servable: Servable, took: Callable[[str, float], None]) -> None:
        self.signatures: Mapping[str, Signature] = servable.signatures
        self.metadata: Mapping[str, Any] = servable.metadata
        self.steady = servable.steady
        self._servable = servable
        self._took = took

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Executes one batch by the other."""
        began = time.perf_counter()
        outputs = self._servable.run(signature, inputs)
        self._took(self.signatures[signature].method, time.perf_counter() - began)
        return outputs

    def warm_up(self) -> int:
        """Warms the other: what that takes is counted elsewhere."""
        return self._servable.warm_up()

    def close(self) -> None:
        """Closes the other."""
        self._servable.close()
