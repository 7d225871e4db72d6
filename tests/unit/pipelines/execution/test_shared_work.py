"""Training that several machines share: who begins, who waits, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.errors import ConfigError, EnvironmentProblem
from contracts.files import write_json
from contracts.storage.staging import local_place
from pipelines.execution import shared_work
from pipelines.execution.failures import LostMachine
from pipelines.execution.folders import is_under_way, only_attempt
from pipelines.execution.interruption import Interruption
from pipelines.execution.shared_work import (
    WAIT_VARIABLE,
    forget_work,
    help_with_work,
    helping_machine,
    refuse_cluster,
    share_work,
)
from pipelines.execution.worker import Outcome
from pipelines.runs.node_record import NodeRecord

WORK: Any = SimpleNamespace(node="Trainer", pipeline=b"\x00graph", invocation=b"\xffinputs")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes this process the machine at a place of a cluster of two."""

    def become(place: int) -> None:
        cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
        task = {"cluster": cluster, "task": {"type": "worker", "index": place}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(task))

    monkeypatch.setenv(WAIT_VARIABLE, "0")
    return become


def _state(folder: Path) -> Any:
    (folder / "nodes").mkdir(exist_ok=True)
    return SimpleNamespace(folder=folder, run_id="one", current="Trainer.1")


def test_only_the_trainer_is_shared(machine: Any, tmp_path: Path) -> None:
    assert helping_machine("Trainer", tmp_path) is None
    refuse_cluster()
    machine(0)
    assert helping_machine("Trainer", tmp_path) is None
    machine(1)
    cluster = helping_machine("Trainer", tmp_path)
    assert cluster is not None
    assert cluster.place == 1
    with pytest.raises(ConfigError, match="ExampleGen does not run on several machines"):
        helping_machine("ExampleGen", tmp_path)
    with pytest.raises(ConfigError, match="Trainer does not run on several machines") as raised:
        helping_machine("Trainer", local_place("s3://bucket/runs").resolve() / "small")
    assert "runs in s3://bucket/runs/small" in "\n".join(raised.value.lines())
    with pytest.raises(ConfigError, match="share a whole run"):
        refuse_cluster()


def test_what_the_chief_shares_is_what_the_others_do(
    machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, begun = _state(tmp_path), []

    class Done:
        is_done, kill = True, None

        def __init__(self, name: str, function: Any, work: Any, log: Path) -> None:
            begun.append((name, work))

        def outcome(self) -> Outcome:
            return Outcome(b"done")

    state.log = lambda name: tmp_path / name
    monkeypatch.setattr(shared_work, "Worker", Done)
    share_work(tmp_path, WORK)
    assert not list((tmp_path / "nodes").iterdir())  # one machine shares nothing
    machine(0)
    share_work(tmp_path, WORK)
    machine(1)
    assert help_with_work(state, Interruption()) == Outcome(b"done")
    assert begun == [("Trainer", (WORK.pipeline, WORK.invocation))]
    forget_work(tmp_path)
    forget_work(tmp_path)
    assert not list((tmp_path / "nodes").iterdir())


def test_without_the_chief_the_others_stop_waiting(machine: Any, tmp_path: Path) -> None:
    machine(1)
    with pytest.raises(EnvironmentProblem, match="The chief of the cluster has not begun"):
        help_with_work(_state(tmp_path), Interruption())


def test_of_a_trainer_that_has_succeeded_nothing_is_left_to_do(
    machine: Any, tmp_path: Path
) -> None:
    machine(1)
    state = _state(tmp_path)
    record = NodeRecord(node="Trainer", status="succeeded", attempt=1, started="now")
    write_json(tmp_path / "nodes" / "Trainer.json", record.model_dump(mode="json"))
    assert help_with_work(state, Interruption()) is None


def _record(folder: Path, status: str, **fields: Any) -> None:
    record = NodeRecord(node="Trainer", status=status, attempt=1, started="now", **fields)
    write_json(folder / "nodes" / "Trainer.json", record.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("status", "error", "reported"),
    [
        ("failed", ["error: No rows.", "  where: ..."], "received: error: No rows."),
        ("running", None, "received: it was killed"),
    ],
)
def test_nobody_waits_for_a_chief_that_ended(
    machine: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    error: list[str] | None,
    reported: str,
) -> None:
    state = _state(tmp_path)
    _record(tmp_path, status, error=error)
    machine(0)
    share_work(tmp_path, WORK)  # as a chief that was killed leaves it
    machine(1)
    with pytest.raises(EnvironmentProblem, match="has not begun"):  # it may be started again
        help_with_work(state, Interruption())
    monkeypatch.setenv(WAIT_VARIABLE, "60")
    monkeypatch.setattr(shared_work, "_RESTART_S", 0.0)
    with pytest.raises(EnvironmentProblem, match="has not finished Trainer") as raised:
        help_with_work(state, Interruption())
    assert reported in "\n".join(raised.value.lines())
    assert len(raised.value.lines()) <= 8


def test_work_ends_with_the_chief(
    machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, calls = _state(tmp_path), []

    class Endless:
        is_done = False

        def __init__(self, *_: Any) -> None:
            _record(tmp_path, "running")

        def kill(self) -> None: ...

        def ask_to_stop(self) -> None:
            calls.append("asked")

        def stop(self, deadline: float) -> None:
            calls.append("stopped")

    state.log = lambda name: tmp_path / name
    monkeypatch.setattr(shared_work, "Worker", Endless)
    monkeypatch.setattr(shared_work, "_POLL_S", 0.001)
    machine(0)
    share_work(tmp_path, WORK)
    machine(1)
    with pytest.raises(EnvironmentProblem, match="has not finished Trainer"):
        help_with_work(state, Interruption())
    assert calls == ["asked", "stopped"]


@pytest.mark.parametrize("chief_ends", [True, False])
def test_a_lost_machine_is_the_chief_where_that_has_ended(
    machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chief_ends: bool
) -> None:
    state = _state(tmp_path)
    lost = Outcome(None, LostMachine("Trainer lost another machine of its cluster."))

    class Broken:
        is_done, kill = True, None

        def __init__(self, *_: Any) -> None:
            """The connection is gone before the chief's record says that it has ended."""

        def outcome(self) -> Outcome:
            if chief_ends:
                _record(tmp_path, "failed", error=["error: No memory."])
            return lost

    state.log = lambda name: tmp_path / name
    monkeypatch.setattr(shared_work, "Worker", Broken)
    monkeypatch.setattr(shared_work, "_POLL_S", 0.001)
    monkeypatch.setattr(shared_work, "_LOST_S", 0.01)
    machine(0)
    share_work(tmp_path, WORK)
    machine(1)
    if chief_ends:
        with pytest.raises(EnvironmentProblem, match="has not finished Trainer") as raised:
            help_with_work(state, Interruption())
        assert "received: error: No memory." in "\n".join(raised.value.lines())
    else:
        assert help_with_work(state, Interruption()) is lost


def test_an_attempt_is_under_way_as_long_as_it_lasts(tmp_path: Path) -> None:
    with only_attempt(tmp_path, "Trainer"):
        assert is_under_way(tmp_path, "Trainer")
        _record(tmp_path, "running")
        assert shared_work._ended_attempt(tmp_path) is None
    assert not is_under_way(tmp_path, "Trainer")
    assert shared_work._ended_attempt(tmp_path) is not None


def test_what_a_helping_machine_writes_goes_below_a_folder_of_its_own(tmp_path: Path) -> None:
    from tfx.orchestration.portable.data_types import ExecutionInfo
    from tfx.proto.orchestration.execution_invocation_pb2 import ExecutionInvocation
    from tfx.types.standard_artifacts import Model, Schema

    schema, model = Schema(), Model()
    schema.uri, model.uri = "/shared/schema", "/shared/model"
    info = ExecutionInfo(
        execution_id=7,
        input_dict={"schema": [schema]},
        output_dict={"model": [model]},
        exec_properties={"spec": "{}"},
        execution_output_uri="/shared/output.pb",
        stateful_working_dir="/shared/state",
        tmp_dir="/shared/tmp",
    )
    moved = shared_work._move_outputs(info.to_proto().SerializeToString(), tmp_path)
    here = ExecutionInfo.from_proto(ExecutionInvocation.FromString(moved))
    assert here.input_dict["schema"][0].uri == "/shared/schema"
    assert here.exec_properties == {"spec": "{}"}
    assert here.output_dict["model"][0].uri == str(tmp_path / "model" / "0")
    assert (tmp_path / "model" / "0").is_dir()
    places = (here.tmp_dir, here.stateful_working_dir, here.execution_output_uri)
    assert all(Path(place).parent == tmp_path for place in places)
