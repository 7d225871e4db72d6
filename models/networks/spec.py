"""The kinds of networks: one module and one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import BeforeValidator, Field

from models.networks.cnn import CnnSpec
from models.networks.dcn import DcnSpec
from models.networks.linear import LinearSpec
from models.networks.mlp import MlpSpec
from models.networks.python import PythonSpec
from models.networks.residual import ResidualSpec
from models.networks.transformer import TransformerSpec

__all__ = [
    "CnnSpec",
    "DcnSpec",
    "LinearSpec",
    "MlpSpec",
    "NetworkSpec",
    "PythonSpec",
    "ResidualSpec",
    "TransformerSpec",
]


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
            ResidualSpec,
            DcnSpec,
            TransformerSpec,
            CnnSpec,
            PythonSpec,
        ],
        Field(discriminator="kind"),
    ],
    BeforeValidator(_with_kind),
]
