"""Runs the graph on this machine: a process, a line and a log a component, one summary."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from contracts.errors import ConfigError, EnvironmentProblem
from contracts.storage.errors import StorageProblem
from contracts.text import nearest
from pipelines.config.problem import LoadedConfig
from pipelines.execution.capture import captured, peak_memory_mib, quieten, terminal
from pipelines.execution.execute import NodeDone
from pipelines.execution.failures import explain_failure
from pipelines.execution.folders import new_folder, only_run
from pipelines.execution.graph import pipeline_root
from pipelines.execution.interruption import Interruption, interruptible
from pipelines.execution.progress import Progress
from pipelines.execution.remote_root import RemoteRoot
from pipelines.execution.running import Graph, execute_nodes, open_graph
from pipelines.execution.schedule import from_step, until_step
from pipelines.execution.shared_work import refuse_cluster
from pipelines.execution.state import SETUP, RunState
from pipelines.execution.steps import steps_of
from pipelines.runs.finish import (
    FAILED,
    conclude,
    end_status,
    explain_end,
    keep_traces,
    print_error,
    short_path,
    write_summary,
)
from pipelines.runs.record import record

if TYPE_CHECKING:
    from pipelines.execution.nodes import Outputs


@dataclass(frozen=True)
class _Choice:
    """Which of the graph's nodes to do, and how.

    Attributes:
      start: Do this node, and what depends on it, again.
      end: The last node to do.
      use_cache: Whether unchanged work may be taken from earlier runs.
      jobs: How many nodes may run at once.
    """

    start: str | None = None
    end: str | None = None
    use_cache: bool = True
    jobs: int | None = None


def run(
    loaded: LoadedConfig,
    start: str | None = None,
    use_cache: bool = True,
    *,
    require_blessing: bool = False,
    jobs: int | None = None,
) -> int:
    """Runs a config's pipeline and gives the exit status.

    Args:
      loaded: The validated config.
      start: Do this component, and what depends on it, again; take the rest from the cache.
      use_cache: Whether unchanged work may be taken from earlier runs.
      require_blessing: Whether a candidate that is not blessed is an exit status.
      jobs: How many components may run at once; as many as there are cores, and as free
        memory holds, where not given.
    """
    refuse_cluster()
    quieten()
    root = pipeline_root(loaded)
    with only_run(root):
        remote = RemoteRoot(root)
        try:
            remote.fetch_metadata()
        except EnvironmentProblem as error:
            print_error([*error.lines(), _resume(loaded)])
            return FAILED
        state = RunState(loaded, root, new_folder(root))
        choice = _Choice(start, None, use_cache, jobs)
        with terminal() as stream, interruptible() as interruption:
            console = Console(file=stream)
            try:
                _run_nodes(state, choice, console, interruption)
            except BaseException as error:  # noqa: BLE001 (reported to the reader; its trace is kept)
                return _fail(state, error, remote)
            status = conclude(state, console, require_blessing)
            remote.send(state.folder)
            return status


def artifacts_until(loaded: LoadedConfig, component: str, folder: Path) -> dict[str, Outputs]:
    """Runs a config's pipeline up to a component, and gives the artifacts by node.

    What has not changed since an earlier run is taken from it.

    Args:
      loaded: The validated config.
      component: The last node to do.
      folder: Where logs go.

    Raises:
      KelpError: a component failed.
    """
    quieten()
    root = pipeline_root(loaded)
    state = RunState(loaded, root, folder)
    with only_run(root), terminal() as stream, interruptible() as interruption:
        RemoteRoot(root).fetch_metadata()
        try:
            _run_nodes(state, _Choice(end=component), Console(file=stream), interruption)
        except Exception as error:
            log = short_path(state.log(state.first_current))
            raise explain_failure(error, state.current, log) from error
    from pipelines.execution.staged_work import local_outputs

    return {name: local_outputs(outputs) for name, outputs in state.outputs.items()}


def _run_nodes(
    state: RunState, choice: _Choice, console: Console, interruption: Interruption
) -> None:
    progress = Progress(console)
    record(state.loaded, state.folder)

    def show(done: NodeDone) -> None:
        rows = _rows(state)
        progress.done(done.name, done.seconds, done.result.cached, rows, done.memory_mib)

    with progress.shown():
        graph = _set_up(state, choice, progress)
        execute_nodes(
            state, graph, graph.nodes, progress, interruption, jobs=choice.jobs, report=show
        )


def _set_up(state: RunState, choice: _Choice, progress: Progress) -> Graph:
    began = time.monotonic()
    progress.start(SETUP)
    with captured(state.log(SETUP)):
        graph = _choose(open_graph(state), choice)
    state.order = list(graph.nodes)
    progress.expect(state.order)
    state.seconds[SETUP] = round(time.monotonic() - began, 2)
    state.memory[SETUP] = round(peak_memory_mib())
    progress.done(SETUP, state.seconds[SETUP], False, None, state.memory[SETUP])
    return graph


def _choose(graph: Graph, choice: _Choice) -> Graph:
    """The part of the graph that is to be done; what comes from the cache is marked in it."""
    nodes = graph.nodes
    if choice.end is not None:
        kept = until_step(choice.end, steps_of([*nodes.values()]))
        nodes = {name: node for name, node in nodes.items() if name in kept}
    again = set() if choice.start is None else _from(choice.start, nodes)
    for name, node in nodes.items():
        caching = node.execution_options.caching_options
        caching.enable_cache = choice.use_cache and name not in again
    return Graph(graph.store, nodes)


def _from(start: str, nodes: Mapping[str, Any]) -> set[str]:
    if start not in nodes:
        close = nearest(start, list(nodes))
        raise ConfigError(
            f"There is no component {start!r} to start from.",
            where="--from",
            expected=", ".join(nodes),
            received=start,
            fix=f"did you mean {close}?" if close else "",
        )
    return from_step(start, steps_of([*nodes.values()]))


def _rows(state: RunState) -> int | None:
    if "ExampleGen" not in state.outputs:
        return None
    from components.artifacts import rows_of

    return sum(rows_of(state.outputs["ExampleGen"]["examples"][0]).values())


def _fail(state: RunState, error: BaseException, remote: RemoteRoot) -> int:
    problem = explain_end(state, error)
    lines = [*problem.lines(), *keep_traces(state, error, state.folder / "trace.txt")]
    if state.current != SETUP:
        lines.append(_resume(state.loaded, "--from", state.first_current))
    elif isinstance(problem, EnvironmentProblem):
        lines.append(_resume(state.loaded))
    status, exit_status = end_status(error)
    with contextlib.suppress(OSError, StorageProblem):  # as above, a bucket that is away
        write_summary(state, status, problem.lines())
    print_error([*lines, *remote.try_to_send(state.folder)])
    return exit_status


def _resume(loaded: LoadedConfig, *words: str) -> str:
    command = ["kelp", "run", str(loaded.path), *words, *loaded.overrides]
    return f"  {'resume:':<10}{shlex.join(command)}"
