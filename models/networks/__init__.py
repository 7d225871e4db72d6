"""Networks: each module has `build(spec, inputs, output, keras_module) -> keras.Model`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.networks import cnn, mlp
from models.networks.ports import InputSpec, OutputSpec
from models.networks.spec import CnnSpec, MlpSpec

__all__ = ["InputSpec", "OutputSpec", "build_network"]


def build_network(
    spec: MlpSpec | CnnSpec, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any
) -> Any:
    """Builds the network that the spec names; see the modules' own `build`."""
    if isinstance(spec, CnnSpec):
        return cnn.build(spec, inputs, output, keras_module)
    return mlp.build(spec, inputs, output, keras_module)
