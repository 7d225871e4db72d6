"""Networks: each module has `build(spec, inputs, output, keras_module) -> keras.Model`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.networks import cnn, mlp, python
from models.networks.parts import head, joined_features
from models.networks.ports import InputSpec, OutputSpec
from models.networks.spec import CnnSpec, NetworkSpec, PythonSpec

__all__ = ["InputSpec", "OutputSpec", "build_network", "head", "joined_features"]


def build_network(
    spec: NetworkSpec, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any
) -> Any:
    """Builds the network that the spec names; see the modules' own `build`."""
    if isinstance(spec, CnnSpec):
        return cnn.build(spec, inputs, output, keras_module)
    if isinstance(spec, PythonSpec):
        return python.build(spec, inputs, output, keras_module)
    return mlp.build(spec, inputs, output, keras_module)
