"""What a model takes and gives, free of any runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
DEFAULT_SIGNATURE = "serving_default"
STRING = "string"


@dataclass(frozen=True)
class Port:
    """One input or output of a signature.

    Attributes:
      name: What requests and answers call it.
      dtype: TensorFlow's name of the type: "float32", "int64", "bool", "string", ...
      shape: The batch dimension first; None for a dimension that may have any size, and
        None instead of the tuple where even the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The type of its arrays; strings are object arrays of bytes."""
        return np.dtype(object) if self.dtype == STRING else np.dtype(self.dtype)


def fits(wanted: Sequence[int | None] | None, shape: Sequence[int]) -> bool:
    """Whether a shape is the one that is wanted, where None is any size, and any shape."""
    return wanted is None or (
        len(wanted) == len(shape)
        and all(size in (None, given) for size, given in zip(wanted, shape, strict=True))
    )


@dataclass(frozen=True)
class Signature:
    """One way to call a model.

    Attributes:
      name: What requests call it.
      inputs: Its inputs by name.
      outputs: Its outputs by name.
      method: One of `PREDICT`, `CLASSIFY`, `REGRESS`.
    """

    name: str
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]
    method: str = PREDICT
