"""Training that several machines share: the chief says what to do, the others do it with it.

The chief alone knows the metadata store and keeps what comes of it. Before its work begins it
writes the inputs and parameters to the run's folder, which all of them see; what the others
write goes to a temporary folder of theirs.
"""

from __future__ import annotations

import base64
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import ConfigError, EnvironmentProblem
from contracts.files import read_json, write_json
from contracts.storage.location import is_remote
from contracts.storage.staging import remote_place
from models.training.cluster import CLUSTER_VARIABLE, Cluster, find_cluster
from pipelines.execution.failures import LostMachine
from pipelines.execution.folders import NODES_FOLDER, is_under_way
from pipelines.execution.interruption import Interruption
from pipelines.execution.worker import GRACE_S, Outcome, Worker
from pipelines.runs.node_record import NodeRecord, read_record

if TYPE_CHECKING:
    from pipelines.execution.nodes import NodeWork
    from pipelines.execution.state import RunState

SHARED_NODE = "Trainer"
WAIT_VARIABLE = "KELP_CLUSTER_WAIT_S"
_WAIT_S = 1800.0
_POLL_S = 0.5
# A chief that ended before the others were started is given time to be started again.
_RESTART_S = 60.0
# How long after its connections a chief that failed may take to say so.
_LOST_S = 10.0


def refuse_cluster() -> None:
    """Refuses several machines where the run has no id that all of them know.

    Raises:
      ConfigError: TF_CONFIG names several machines.
    """
    if find_cluster() is not None:
        raise ConfigError(
            "Several machines cannot share a whole run.",
            where=f"environment variable {CLUSTER_VARIABLE}",
            expected=f"no {CLUSTER_VARIABLE}, or one machine in it",
            fix=f"unset it, or run the nodes one by one, and {SHARED_NODE} on each machine: "
            f"kelp node run CONFIG {SHARED_NODE} --run-id ID",
        )


def helping_machine(node: str, root: Path) -> Cluster | None:
    """Gives the cluster where this machine is not its chief.

    Raises:
      ConfigError: The node, or a root in a bucket, is not for several machines.
    """
    cluster = find_cluster()
    if cluster is None:
        return None
    place = remote_place(root)
    if node == SHARED_NODE and not is_remote(place):
        return None if cluster.is_chief else cluster
    raise ConfigError(
        f"{node} does not run on several machines.",
        where=f"environment variable {CLUSTER_VARIABLE}",
        expected=f"{SHARED_NODE}, with runs in a folder that all machines share",
        received=f"{node}, with runs in {place}",
        fix=f"unset {CLUSTER_VARIABLE} for this node"
        if node != SHARED_NODE
        else "set runs to a folder that all machines mount",
    )


def _path(folder: Path) -> Path:
    return folder / NODES_FOLDER / f"{SHARED_NODE}.work.json"


def share_work(folder: Path, work: NodeWork) -> None:
    """Lets the other machines begin; nothing where there are none.

    Args:
      folder: The run's.
      work: Of the node that begins here.
    """
    if work.node == SHARED_NODE and find_cluster() is not None:
        write_json(
            _path(folder),
            {name: base64.b64encode(getattr(work, name)).decode() for name in _PARTS},
        )


_PARTS = ("pipeline", "invocation")


def forget_work(folder: Path) -> None:
    """Removes what an attempt of the chief's shared."""
    _path(folder).unlink(missing_ok=True)


def help_with_work(state: RunState, interruption: Interruption) -> Outcome | None:
    """Trains with the chief of the cluster; None where its node has succeeded already.

    Args:
      state: The run.
      interruption: Ends the waiting and the work.

    Raises:
      EnvironmentProblem: The chief has not begun, or has failed.
    """
    work = _await_work(state, interruption)
    if work is None:
        return None
    worker = Worker(SHARED_NODE, _execute_for_chief, work, state.log(state.current))
    interruption.kill = worker.kill
    try:
        while not worker.is_done:
            interruption.check()
            _require_chief(state)
            time.sleep(_POLL_S)
    except BaseException:
        worker.ask_to_stop()
        worker.stop(time.monotonic() + GRACE_S)
        raise
    outcome = worker.outcome()
    if isinstance(outcome.problem, LostMachine):
        _await_end_of_chief(state, interruption)
    return outcome


def _await_end_of_chief(state: RunState, interruption: Interruption) -> None:
    """Names the chief where it is the machine that was lost: its connections end before it does."""
    deadline = time.monotonic() + _LOST_S
    while time.monotonic() < deadline:
        interruption.check()
        _require_chief(state)
        time.sleep(_POLL_S)


def _await_work(state: RunState, interruption: Interruption) -> tuple[bytes, bytes] | None:
    seconds = float(os.environ.get(WAIT_VARIABLE, _WAIT_S))
    began = time.monotonic()
    deadline = began + seconds
    path, before = _path(state.folder), _ended_attempt(state.folder)
    # What an attempt that was killed has shared is there until the next one begins.
    while not path.is_file() or _ended_attempt(state.folder) is not None:
        interruption.check()
        record = read_record(state.folder, SHARED_NODE)
        if record is not None and record.status == "succeeded":
            return None
        _require_chief(state, before if time.monotonic() < began + _RESTART_S else None)
        if time.monotonic() > deadline:
            raise EnvironmentProblem(
                f"The chief of the cluster has not begun {SHARED_NODE}.",
                where=f"run {state.run_id}",
                expected=f"{path} within {seconds:g} s",
                fix=f"start kelp node run CONFIG {SHARED_NODE} --run-id {state.run_id} on the "
                f"chief, with the same runs folder; {WAIT_VARIABLE} sets how long is waited",
            )
        time.sleep(_POLL_S)
    content = read_json(path)
    pipeline, invocation = (base64.b64decode(content[name]) for name in _PARTS)
    return pipeline, invocation


def _require_chief(state: RunState, known: NodeRecord | None = None) -> None:
    """Refuses to go on where the chief's attempt has ended, unless it is the one `known`."""
    ended = _ended_attempt(state.folder)
    if ended is not None and ended != known:
        raise EnvironmentProblem(
            f"The chief of the cluster has not finished {SHARED_NODE}.",
            where=f"run {state.run_id}",
            expected="the chief at work",
            received=(ended.error or ["it was killed"])[0],
            fix="correct what the chief reports, then start the node on all machines again",
        )


def _ended_attempt(folder: Path) -> NodeRecord | None:
    """Gives the record of the chief's last attempt where that ended without success.

    An attempt that was killed has left the record of one that runs, and not its lock.
    """
    record = read_record(folder, SHARED_NODE)
    if record is None or record.status == "succeeded":
        return None
    if record.status == "running" and (
        is_under_way(folder, SHARED_NODE) or read_record(folder, SHARED_NODE) != record
    ):
        return None
    return record


def _execute_for_chief(work: tuple[bytes, bytes]) -> bytes:
    """Does the work with all outputs in this process's temporary folder."""
    from pipelines.execution.nodes import BeamPlace, NodeWork, execute

    pipeline, invocation = work
    moved = _move_outputs(invocation, Path(tempfile.mkdtemp()))
    return execute(NodeWork(pipeline, SHARED_NODE, moved, BeamPlace()))


def _move_outputs(invocation: bytes, folder: Path) -> bytes:
    """Gives the invocation with all that it writes below `folder`, which nobody keeps."""
    from tfx.dsl.io import fileio
    from tfx.orchestration.portable.data_types import ExecutionInfo
    from tfx.proto.orchestration.execution_invocation_pb2 import ExecutionInvocation

    info = ExecutionInfo.from_proto(ExecutionInvocation.FromString(invocation))
    for key, artifacts in info.output_dict.items():
        for index, artifact in enumerate(artifacts):
            artifact.uri = str(folder / key / str(index))
            fileio.makedirs(artifact.uri)
    info.tmp_dir, info.stateful_working_dir = str(folder / "tmp"), str(folder / "state")
    info.execution_output_uri = str(folder / "executor_output.pb")
    moved: bytes = info.to_proto().SerializeToString()
    return moved
