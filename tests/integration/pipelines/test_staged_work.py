"""The work of a node on artifacts in a bucket: whole folders there, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tfx.dsl.io import fileio
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact

from contracts.storage import folders
from contracts.storage.folders import publish
from contracts.storage.location import parse_location
from contracts.storage.objects import list_files
from contracts.storage.staging import is_there, local_place, stage
from pipelines.execution.bucket_files import register_bucket_files
from pipelines.execution.nodes import _remove_outputs
from pipelines.execution.staged_work import do_staged, local_outputs


def _artifact(uri: str) -> Artifact:
    artifact = standard_artifacts.Model()
    artifact.uri = uri
    return artifact


@pytest.fixture
def root(bucket: str) -> str:
    register_bucket_files()
    return f"s3://{bucket}/runs/small/artifacts"


@pytest.fixture
def info(root: str, tmp_path: Path) -> data_types.ExecutionInfo:
    """An execution with one input, which is published, and one output."""
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "file").write_text("input")
    publish(tmp_path / "input", parse_location(f"{root}/A/out/1"))
    own = f"{root}/B/.system"
    return data_types.ExecutionInfo(
        execution_id=2,
        input_dict={"in": [_artifact(f"{root}/A/out/1")]},
        output_dict={"out": [_artifact(f"{root}/B/out/2")]},
        tmp_dir=f"{own}/tmp",
        stateful_working_dir=f"{own}/stateful",
        execution_output_uri=f"{own}/output.pb",
    )


def _work(info: data_types.ExecutionInfo) -> execution_result_pb2.ExecutorOutput:
    """What an executor does: reads, writes, and says where."""
    (given,), (made,) = info.input_dict["in"], info.output_dict["out"]
    assert not any("://" in one for one in (info.tmp_dir, info.stateful_working_dir))
    text = (Path(given.uri) / "file").read_text()
    (Path(made.uri) / "file").write_text(f"{text}, read")
    output = execution_result_pb2.ExecutorOutput()
    artifact = output.output_artifacts["out"].artifacts.add()
    artifact.uri = made.uri
    artifact.custom_properties["from"].string_value = f"model in {given.uri}"
    return output


def test_work_is_done_on_copies_and_recorded_by_address(
    info: data_types.ExecutionInfo, root: str
) -> None:
    output = do_staged(info, _work)
    (artifact,) = output.output_artifacts["out"].artifacts
    assert artifact.uri == f"{root}/B/out/2"
    assert artifact.custom_properties["from"].string_value == f"model in {root}/A/out/1"
    assert (stage(artifact.uri) / "file").read_text() == "input, read"
    (local,) = local_outputs({"out": [_artifact(artifact.uri)]})["out"]
    assert local.uri == str(local_place(artifact.uri))


def test_a_local_execution_is_left_alone(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "file").write_text("x")
    info = data_types.ExecutionInfo(
        input_dict={"in": [_artifact(str(tmp_path / "in"))]},
        output_dict={"out": [_artifact(str(tmp_path / "out"))]},
        tmp_dir="tmp",
        stateful_working_dir="stateful",
        execution_output_uri="output.pb",
    )
    output = do_staged(info, _work)
    assert output.output_artifacts["out"].artifacts[0].uri == str(tmp_path / "out")
    assert info.tmp_dir == "tmp"


def test_what_was_published_by_half_is_removed(
    info: data_types.ExecutionInfo, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {"out": [_artifact(f"{root}/B/out/2")]}

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folders, "write_bytes", dies)
        with pytest.raises(KeyboardInterrupt):
            do_staged(info, _work)
    place = f"{root}/B/out/2"
    assert is_there(place)
    assert not fileio.exists(place)
    _remove_outputs(outputs)
    assert not list_files(parse_location(place))
    assert not local_place(place).exists()
