"""The config of every network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field

from contracts.spec import Spec
from models.user_code import ImportPath


class HiddenSpec(Spec):
    """What the hidden layers of every network have in common."""

    units: tuple[int, ...] = Field((256, 128), min_length=1)
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    batch_norm: bool = True
    dropout: float = Field(0.1, ge=0, lt=1)
    l1: float = Field(0.0, ge=0)
    l2: float = Field(0.0, ge=0)


class MlpSpec(HiddenSpec):
    """A multi-layer perceptron over dense features and embeddings."""

    kind: Literal["mlp"] = "mlp"


class CnnSpec(HiddenSpec):
    """A small convolutional network over features that are the pixels of an image.

    Attributes:
      shape: Height, width and channels; the features in this order, row by row.
      filters: The filters of each convolution; every one halves height and width.
      kernel: The filters' height and width.
      units: The dense layers after the convolutions.
    """

    kind: Literal["cnn"]
    shape: tuple[int, int, int]
    filters: tuple[int, ...] = Field((16, 32), min_length=1)
    kernel: int = Field(3, ge=1)
    units: tuple[int, ...] = Field((64,), min_length=1)


class PythonSpec(Spec):
    """A network of the user's own.

    Attributes:
      function: `package.module:function`, beside the config or installed; it is called with
        the inputs, the output and the options, and gives a functional Keras model.
      options: Its keyword arguments.
    """

    kind: Literal["python"]
    function: ImportPath
    options: dict[str, Any] = Field(default_factory=dict)


def _with_kind(value: Any) -> Any:
    """A perceptron where no kind is given: a discriminator has no default of its own."""
    if isinstance(value, Mapping) and "kind" not in value:
        return {"kind": "mlp", **value}
    return value


NetworkSpec = Annotated[
    Annotated[Union[MlpSpec, CnnSpec, PythonSpec], Field(discriminator="kind")],
    BeforeValidator(_with_kind),
]
