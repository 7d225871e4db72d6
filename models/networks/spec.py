"""The kinds of networks: one module and one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import BeforeValidator, Field

from models.networks.cnn import CnnSpec
from models.networks.linear import LinearSpec
from models.networks.mlp import MlpSpec
from models.networks.python import PythonSpec

__all__ = ["CnnSpec", "LinearSpec", "MlpSpec", "NetworkSpec", "PythonSpec"]


def _with_kind(value: Any) -> Any:
    """A perceptron where no kind is given: a discriminator has no default of its own."""
    if isinstance(value, Mapping) and "kind" not in value:
        return {"kind": "mlp", **value}
    return value


NetworkSpec = Annotated[
    Annotated[
        Union[
            LinearSpec,
            MlpSpec,
            CnnSpec,
            PythonSpec,
        ],
        Field(discriminator="kind"),
    ],
    BeforeValidator(_with_kind),
]
