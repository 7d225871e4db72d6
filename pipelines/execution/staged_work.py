"""The work of a node whose artifacts are in a bucket: done on local copies, then published."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterable, Mapping

from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import execution_result_pb2
from tfx.types.artifact import Artifact

from contracts.storage.location import is_remote
from contracts.storage.staging import (
    local_place,
    publish_staged,
    remote_place,
    remote_text,
    stage,
)


def do_staged(
    info: data_types.ExecutionInfo,
    work: Callable[[data_types.ExecutionInfo], execution_result_pb2.ExecutorOutput],
) -> execution_result_pb2.ExecutorOutput:
    """Does the work of a node on local copies of its inputs, and publishes its outputs.

    Nothing is published before all of the work is done. Without a bucket this is `work`.

    Args:
      info: The execution; its URIs become those of the local copies.
      work: The work itself.

    Raises:
      StorageProblem: The bucket cannot be read or written.
    """
    outputs = [one for one in _artifacts(info.output_dict) if is_remote(one.uri)]
    for artifact in _artifacts(info.input_dict):
        if is_remote(artifact.uri):
            artifact.uri = str(stage(artifact.uri))
    if not outputs:
        return work(info)
    places = [artifact.uri for artifact in outputs]
    for artifact in outputs:
        folder = local_place(artifact.uri)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        artifact.uri = str(folder)
    for name in ("tmp_dir", "stateful_working_dir", "execution_output_uri"):
        setattr(info, name, str(local_place(getattr(info, name))))
    given = work(info)
    for place in places:
        publish_staged(place)
    _name_by_address(given)
    return given


def local_outputs(outputs: Mapping[str, list[Artifact]]) -> dict[str, list[Artifact]]:
    """Gives the same artifacts, each with the URI of its local copy.

    Raises:
      StorageProblem: The bucket cannot be read.
    """
    return {
        key: [_local_artifact(artifact) for artifact in artifacts]
        for key, artifacts in outputs.items()
    }


def _local_artifact(artifact: Artifact) -> Artifact:
    if not is_remote(artifact.uri):
        return artifact
    local = copy.deepcopy(artifact)
    local.uri = str(stage(artifact.uri))
    return local


def _artifacts(structure: Mapping[str, list[Artifact]]) -> Iterable[Artifact]:
    return (artifact for artifacts in structure.values() for artifact in artifacts)


def _name_by_address(output: execution_result_pb2.ExecutorOutput) -> None:
    """Another machine has its copies elsewhere: what is recorded are addresses."""
    for artifacts in output.output_artifacts.values():
        for artifact in artifacts.artifacts:
            artifact.uri = remote_place(artifact.uri)
            for value in artifact.custom_properties.values():
                if value.WhichOneof("value") == "string_value":
                    value.string_value = remote_text(value.string_value)
