"""Networks: each module has `build(spec, inputs, output, keras_module) -> keras.Model`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.networks import mlp
from models.networks.ports import InputSpec, OutputSpec
from models.networks.spec import MlpSpec

_BUILDERS = {"mlp": mlp.build}

__all__ = ["InputSpec", "OutputSpec", "build_network"]


def build_network(
    spec: MlpSpec, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any
) -> Any:
    """Builds the network that the spec names; see the modules' own `build`."""
    return _BUILDERS[spec.kind](spec, inputs, output, keras_module)
