"""Runs one node of the graph, for orchestrators that start each in a process of its own.

All nodes of a run share its id: by it they find one another's artifacts in the metadata store.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from contracts.errors import ConfigError, EnvironmentProblem, KelpError
from contracts.files import read_json, write_json
from contracts.storage.staging import remote_place
from contracts.text import did_you_mean, some
from pipelines.config.problem import LoadedConfig, content_digest
from pipelines.execution.capture import captured, quieten, terminal
from pipelines.execution.execute import NodeDone, NodeFailed
from pipelines.execution.folders import join_folder, only_attempt, only_run
from pipelines.execution.graph import compile_graph, nodes_of, pipeline_root
from pipelines.execution.interruption import Interruption, interruptible
from pipelines.execution.progress import Progress
from pipelines.execution.remote_root import RemoteRoot
from pipelines.execution.running import Graph, execute_nodes, open_graph
from pipelines.execution.shared_work import (
    SHARED_NODE,
    forget_work,
    help_with_work,
    helping_machine,
)
from pipelines.execution.state import RunState
from pipelines.execution.steps import is_resolver, without_resolvers
from pipelines.runs.finish import (
    FAILED,
    conclude,
    end_status,
    explain_end,
    keep_traces,
    print_error,
    write_summary,
)
from pipelines.runs.node_record import (
    NodeRecord,
    begin_record,
    read_record,
    record_path,
    write_record,
)
from pipelines.runs.record import CONFIG_FILE, record

if TYPE_CHECKING:
    from tfx.proto.orchestration import pipeline_pb2

_RUN_FILE = "run.json"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAKEN = ("artifacts", "latest", "learning_rates")


def run_node(loaded: LoadedConfig, node: str, run_id: str) -> int:
    """Runs one node of a config's graph, and what resolves its baseline; gives the exit status.

    A node that has succeeded in this run is not done again.

    Args:
      loaded: The validated config.
      node: The node's id.
      run_id: The run; the first of its nodes makes its folder.

    Raises:
      KelpError: The run or the node cannot be begun.
    """
    compiled = _compile(loaded, run_id)
    _require_node(nodes_of(compiled), node)
    root = pipeline_root(loaded)
    cluster = helping_machine(node, root)
    with only_run(root, run_id):
        if cluster is not None:
            return _help(_join(loaded, root, run_id), cluster.place)
        remote = RemoteRoot(root)
        try:
            remote.fetch_metadata()
            remote.fetch_run(run_id)
        except EnvironmentProblem as error:
            print_error([*error.lines(), _resume(loaded, run_id, node)])
            return FAILED
        state = _join(loaded, root, run_id)
        state.current = node
        with only_attempt(state.folder, node), terminal() as stream:
            status = _attempt(state, compiled, node, Console(file=stream))
        if status:
            print_error(remote.try_to_send(state.folder))
        else:
            remote.send(state.folder)
        return status


def finish_run(loaded: LoadedConfig, run_id: str, *, require_blessing: bool = False) -> int:
    """Writes the summary and the report of a run, and gives the exit status.

    Args:
      loaded: The validated config.
      run_id: The run; one of its nodes has been begun.
      require_blessing: Whether a candidate that is not blessed is an exit status.

    Raises:
      KelpError: There is no such run, or its metadata cannot be read.
    """
    compiled = _compile(loaded, run_id)
    root = pipeline_root(loaded)
    with only_run(root, run_id), terminal() as stream:
        remote = RemoteRoot(root)
        remote.fetch_metadata()
        remote.fetch_run(run_id)
        if not (root / run_id).is_dir():
            raise ConfigError(
                f"there is no run {run_id!r}",
                where=remote_place(root),
                expected="the id with which its nodes were run",
                fix=f"kelp node run {loaded.path} NODE --run-id {run_id}",
            )
        state = _join(loaded, root, run_id)
        with captured(state.log("Summary")):
            unfinished = _collect(state, open_graph(state, compiled))
        if unfinished is None:
            status = conclude(state, Console(file=stream), require_blessing)
            remote.send(state.folder)
            return status
        state.current = unfinished.node
        write_summary(state, unfinished.status, unfinished.error)
        print_error([*unfinished.error, _again(state), *remote.try_to_send(state.folder)])
        return FAILED


def _help(state: RunState, place: int) -> int:
    """Trains beside the chief of a cluster, which alone keeps what comes of it."""
    state.current = f"{SHARED_NODE}.{place}"
    with terminal() as stream, interruptible() as interruption:
        console = Console(file=stream)
        try:
            with captured(state.log(state.current)):
                outcome = help_with_work(state, interruption)
            if outcome is not None and outcome.output is None:
                raise NodeFailed(outcome) from outcome.problem
        except BaseException as error:  # noqa: BLE001 (reported to the reader; its trace is kept)
            problem = explain_end(state, error)
            trace = record_path(state.folder, state.current).with_suffix(".trace.txt")
            lines = [*problem.lines(), *keep_traces(state, error, trace)]
            state.current = SHARED_NODE
            print_error([*lines, _again(state)])
            return end_status(error)[1]
        done = "done before" if outcome is None else "trained with the chief"
        console.print(f"{SHARED_NODE}: {done} in run {state.run_id}", highlight=False)
    return 0


def _compile(loaded: LoadedConfig, run_id: str) -> pipeline_pb2.Pipeline:
    if not _RUN_ID.fullmatch(run_id) or run_id in _TAKEN:
        raise ConfigError(
            "a run id that cannot name a folder",
            where="--run-id",
            expected="at most 100 letters, digits, dots, hyphens and underscores",
            received=repr(run_id),
        )
    quieten()
    with captured(Path(os.devnull)):
        return compile_graph(loaded, run_id)


def _require_node(nodes: Mapping[str, Any], node: str) -> None:
    known = [step.name for step in without_resolvers([*nodes.values()])]
    if node not in known:
        part = node in nodes
        raise ConfigError(
            f"{node} is no node of its own: it is run with each node that needs it"
            if part
            else f"There is no node {node!r}.",
            where="kelp node run",
            expected=f"one of: {some(known, 60)}",
            received=node,
            fix="" if part else did_you_mean(node, known),
        )


def _join(loaded: LoadedConfig, root: Path, run_id: str) -> RunState:
    """The run as this process sees it; refuses a run of another config."""

    def fill(folder: Path) -> None:
        record(loaded, folder)
        write_json(folder / _RUN_FILE, {"started": RunState(loaded, root, folder).started})

    folder = join_folder(root, run_id, fill)
    recorded = folder / CONFIG_FILE
    if not (folder / _RUN_FILE).is_file() or content_digest(read_json(recorded)) != loaded.digest:
        raise ConfigError(
            f"the run {run_id!r} was begun with another config",
            where=str(recorded),
            expected="one config, with the same overrides, for all nodes of a run",
            fix="give this run another id, or the node the config of its run",
        )
    return RunState(loaded, root, folder, started=read_json(folder / _RUN_FILE)["started"])


def _attempt(state: RunState, compiled: pipeline_pb2.Pipeline, node: str, console: Console) -> int:
    if node == SHARED_NODE:
        forget_work(state.folder)  # of an attempt that was killed
    before, begun = read_record(state.folder, node), begin_record(state.folder, node)
    began = time.monotonic()
    with interruptible() as interruption:
        try:
            with captured(state.log(node)):
                graph = open_graph(state, compiled)
                finished = graph.store.execution(graph.nodes[node]).finished()
                if finished is None:
                    _require_inputs(state, graph, node)
            if finished is None:
                _execute(state, graph, node, console, interruption)
        except BaseException as error:  # noqa: BLE001 (reported to the reader; its trace is kept)
            return _fail(state, error, begun, time.monotonic() - began)
        finally:
            if node == SHARED_NODE:
                forget_work(state.folder)
    if finished is None:
        write_record(state.folder, begun.succeeded(state))
    else:
        known = before is not None and before.status == "succeeded"
        write_record(
            state.folder, before if before and known else begun.recovered(finished.outputs)
        )
        console.print(f"{node}: done before in run {state.run_id}", highlight=False)
    return 0


def _require_inputs(state: RunState, graph: Graph, node: str) -> None:
    """Refuses a node whose inputs this run has not made."""
    (step,) = [step for step in without_resolvers([*graph.nodes.values()]) if step.name == node]
    for name in graph.nodes:
        if name in step.needs and graph.store.execution(graph.nodes[name]).finished() is None:
            raise KelpError(
                f"{node} needs {name}, which has not succeeded in this run.",
                where=f"{node}, run {state.run_id}",
                expected=f"the nodes before it: {some(sorted(step.needs))}",
                fix=f"first: {_command(state.loaded, state.run_id, name)}",
            )


def _execute(
    state: RunState, graph: Graph, node: str, console: Console, interruption: Interruption
) -> None:
    resolvers = {name for name, one in graph.nodes.items() if is_resolver(one)}
    names = {node, *(resolvers & set(graph.nodes[node].upstream_nodes))}
    progress = Progress(console, only=node)

    def show(done: NodeDone) -> None:
        progress.done(done.name, done.seconds, done.result.cached, None, done.memory_mib)

    with progress.shown():
        execute_nodes(state, graph, names, progress, interruption, jobs=1, report=show)


def _fail(state: RunState, error: BaseException, begun: NodeRecord, seconds: float) -> int:
    problem = explain_end(state, error)
    trace = record_path(state.folder, begun.node).with_suffix(".trace.txt")
    lines = [*problem.lines(), *keep_traces(state, error, trace)]
    status, exit_status = end_status(error)
    with contextlib.suppress(OSError):  # a full disk must not hide the error itself
        write_record(state.folder, begun.failed(status, problem.lines(), seconds))
    state.current = begun.node
    print_error([*lines, _again(state)])
    return exit_status


@dataclass(frozen=True)
class _Unfinished:
    """A node that is in the way of the end of its run.

    Attributes:
      status: How the run ended by it.
      error: Why, for the reader.
      begun: Whether there was an attempt at it.
    """

    node: str
    status: str
    error: list[str]
    begun: bool


def _collect(state: RunState, graph: Graph) -> _Unfinished | None:
    """Reads what the nodes of a run did; gives the one that is in the way of its end, if any."""
    unfinished = []
    for name, node in graph.nodes.items():
        record = read_record(state.folder, name)
        finished = graph.store.execution(node).finished()
        if finished is not None:
            state.outputs[name] = finished.outputs
            if record is not None and record.seconds is not None:
                state.seconds[name] = record.seconds
                state.cached[name] = bool(record.cached)
                state.memory[name] = record.peak_memory_mib or 0.0
        elif not is_resolver(node):
            unfinished.append(_unfinished(state, name, record))
    return next((one for one in unfinished if one.begun), next(iter(unfinished), None))


def _unfinished(state: RunState, name: str, record: NodeRecord | None) -> _Unfinished:
    if record is not None and record.error:
        status = "interrupted" if record.status == "interrupted" else "failed"
        return _Unfinished(name, status, record.error, True)
    what = "has not been run" if record is None else "was killed"
    error = KelpError(f"{name} {what} in this run.", where=f"{name}, run {state.run_id}")
    return _Unfinished(name, "failed", error.lines(), record is not None)


def _again(state: RunState) -> str:
    return _resume(state.loaded, state.run_id, state.current)


def _resume(loaded: LoadedConfig, run_id: str, node: str) -> str:
    return f"  {'resume:':<10}{_command(loaded, run_id, node)}"


def _command(loaded: LoadedConfig, run_id: str, node: str) -> str:
    command = ["kelp", "node", "run", str(loaded.path), node, *loaded.overrides]
    return shlex.join([*command, "--run-id", run_id])
