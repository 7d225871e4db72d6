"""Networks: each module has the config of one kind, which builds it; spec.py lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.networks.kind import NetworkKind
from models.networks.parts import head, joined_features
from models.networks.ports import InputSpec, OutputSpec
from models.tasks import find_task

__all__ = ["InputSpec", "OutputSpec", "build_network", "head", "joined_features"]


def build_network(
    spec: NetworkKind, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any
) -> Any:
    """Builds the network that the spec names; see `NetworkKind.build` and `Task.finish`."""
    task = find_task(output.task)
    ports = task.ports(inputs, output)
    return task.finish(spec.build(ports, output, keras_module), ports, output, keras_module)
