"""Nodes of one config's graph, executed: what every runner does."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from components.tracker.config import RUN_VARIABLE, STARTED_VARIABLE
from contracts.memory import free_memory_mib
from pipelines.execution.execute import Execution, NodeDone
from pipelines.execution.graph import compile_graph, nodes_of
from pipelines.execution.interruption import Interruption
from pipelines.execution.metadata import metadata_connection
from pipelines.execution.progress import Progress
from pipelines.execution.remote_root import RemoteRoot
from pipelines.execution.schedule import NODE_MIB, default_jobs
from pipelines.execution.shared_work import share_work
from pipelines.execution.state import RunState
from pipelines.execution.steps import steps_of

if TYPE_CHECKING:
    from tfx.proto.orchestration import pipeline_pb2

    from pipelines.execution.nodes import NodeExecution, NodeStore


@dataclass(frozen=True)
class Graph:
    """The compiled graph of one run.

    Attributes:
      store: Its metadata store.
      nodes: By id, what was compiled, in topological order.
    """

    store: NodeStore
    nodes: Mapping[str, Any]


def open_graph(state: RunState, compiled: pipeline_pb2.Pipeline | None = None) -> Graph:
    """Opens the metadata store of a run, and gives it with the graph.

    Args:
      state: The run.
      compiled: Its graph; compiled here where not given.

    Raises:
      KelpError: The config cannot be compiled, or the store does not answer.
    """
    if compiled is None:
        compiled = compile_graph(state.loaded, state.run_id)
    from pipelines.execution.nodes import BeamPlace, NodeStore

    nodes, config = nodes_of(compiled), state.loaded.config
    state.order = list(nodes)
    connection = metadata_connection(config.metadata, state.root)
    store = NodeStore(compiled, connection, BeamPlace(config.beam, config.runs))
    store.forget_lost_work()
    return Graph(store, nodes)


def execute_nodes(
    state: RunState,
    graph: Graph,
    names: Collection[str],
    progress: Progress,
    interruption: Interruption,
    *,
    jobs: int | None = None,
    report: Callable[[NodeDone], None] = lambda _: None,
) -> None:
    """Executes some nodes, whose other inputs are there.

    Args:
      state: The run; what the nodes did is kept in it.
      graph: Its graph.
      names: The nodes.
      progress: What is shown meanwhile.
      interruption: Ends the run where it was asked for.
      jobs: How many at once; as many as cores and memory allow where not given.
      report: Takes each node that ended well, once it is kept.

    Raises:
      NodeFailed: A node failed.
      KeyboardInterrupt: The run was interrupted.
    """
    os.environ[RUN_VARIABLE] = f"{state.root.name}/{state.run_id}"
    os.environ[STARTED_VARIABLE] = str(round(state.started_at.timestamp() * 1000))
    chosen = {name: node for name, node in graph.nodes.items() if name in names}
    steps = [replace(step, needs=step.needs & set(chosen)) for step in steps_of([*chosen.values()])]

    root = RemoteRoot(state.root)

    def keep(done: NodeDone) -> None:
        state.keep(done)
        root.send_metadata()
        report(done)

    # Where this machine is lost, the next one must not give an id again that has artifacts.
    def registered(started: NodeExecution) -> None:
        root.send_metadata()
        share_work(state.folder, started.task[1])

    # Who asks for a number of jobs gets that many.
    def has_room() -> bool:
        return jobs is not None or free_memory_mib() >= NODE_MIB

    execution = Execution(graph.store, chosen, steps, state.log, progress, keep, registered)
    interruption.check()
    try:
        execution.run(jobs or default_jobs(), has_room, interruption)
    except BaseException:
        state.current = ", ".join(execution.stopped_at) or state.current
        raise
