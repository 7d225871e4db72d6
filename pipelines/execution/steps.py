"""The nodes of a config's graph as steps: what a schedule and other orchestrators see of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.execution.capture import captured, quieten
from pipelines.execution.graph import compile_graph, nodes_of
from pipelines.execution.schedule import Step, leave_out

if TYPE_CHECKING:
    from pipelines.config.problem import LoadedConfig

# What these time must not depend on what runs beside them: they time one after the other.
_TIMING_NODES = ("VariantEvaluator",)
_RESOLVER = "tfx.dsl.components.common.resolver.Resolver"


def graph_steps(loaded: LoadedConfig) -> list[Step]:
    """Gives what of a config's graph `kelp node run` can run, in topological order.

    A resolver is no step of its own: it is run together with each node that needs it, and such
    a node needs what the resolver needs.
    """
    quieten()
    # TFX says much while it is imported.
    with captured(Path(os.devnull)):
        compiled = compile_graph(loaded, "none")
    return without_resolvers([*nodes_of(compiled).values()])


def without_resolvers(nodes: Sequence[Any]) -> list[Step]:
    """Gives the steps of compiled nodes that are not resolvers."""
    resolvers = [node.node_info.id for node in nodes if is_resolver(node)]
    return leave_out(resolvers, steps_of(nodes))


def steps_of(nodes: Sequence[Any]) -> list[Step]:
    """Gives compiled nodes as the schedule sees them."""
    return [_step(node) for node in nodes]


def is_resolver(node: Any) -> bool:
    """Whether a compiled node only looks up artifacts of earlier runs."""
    name: str = node.node_info.type.name
    return name == _RESOLVER


def _step(node: Any) -> Step:
    name = node.node_info.id
    timed = name.partition(".")[0] in _TIMING_NODES
    return Step(name, frozenset(node.upstream_nodes), timed)
