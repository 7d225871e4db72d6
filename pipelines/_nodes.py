"""Launches one node of the compiled graph, with honest caching and clean interruption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, outputs_utils
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2
from tfx.types.artifact import Artifact

from components.artifacts import PushedVariants, TrackedRun
from pipelines.beam import batch_by_size

Outputs = Mapping[str, list[Artifact]]


class Interrupted(Exception):
    """Ctrl-C or SIGTERM during a component; TFX publishes an Exception as a failure."""


@dataclass(frozen=True)
class NodeResult:
    """What one node gave.

    Attributes:
      cached: Whether its work was found done.
      outputs: Its artifacts by output key.
    """

    cached: bool
    outputs: Outputs


class _Launcher(launcher.Launcher):
    """TFX's launcher, which cleans up after an interruption as after a failure."""

    def _run_executor(self, execution_info: Any) -> Any:
        try:
            return super()._run_executor(execution_info)
        except KeyboardInterrupt as interrupt:
            outputs_utils.remove_output_dirs(execution_info.output_dict)
            raise Interrupted from interrupt


class NodeRunner:
    """Runs the nodes of one compiled pipeline against its metadata store."""

    def __init__(self, pipeline: pipeline_pb2.Pipeline) -> None:
        batch_by_size()
        self._pipeline = pipeline
        self._deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = self._deployment.metadata_connection_config
        self._connection = getattr(connection, connection.WhichOneof("connection_config"))

    def forget_lost_work(self) -> None:
        """Takes out of the cache what a person deleted, and what could not be tracked.

        TFX looks for an artifact's own folder, not for the model that a Pusher copied.
        """
        with metadata.Metadata(self._connection) as handle:
            lost = [
                artifact
                for artifact in handle.store.get_artifacts()
                if artifact.state == metadata_store_pb2.Artifact.LIVE and _is_lost(artifact)
            ]
            for artifact in lost:
                artifact.state = metadata_store_pb2.Artifact.DELETED
            if lost:
                handle.store.put_artifacts(lost)

    def run(self, node: pipeline_pb2.PipelineNode) -> NodeResult:
        """Launches one node; its inputs must have been made before."""
        node_id = node.node_info.id
        info = _Launcher(
            pipeline_node=node,
            mlmd_connection=metadata.Metadata(self._connection),
            pipeline_info=self._pipeline.pipeline_info,
            pipeline_runtime_spec=self._pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(self._deployment, node_id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(self._deployment, node_id),
        ).launch()
        with metadata.Metadata(self._connection) as handle:
            (execution,) = handle.store.get_executions_by_id([info.execution_id])
            if not execution_lib.is_execution_successful(execution):
                raise RuntimeError(f"{node_id} did not run: its inputs could not be resolved")
            outputs = execution_lib.get_output_artifacts(handle, info.execution_id)
        cached = execution.last_known_state == metadata_store_pb2.Execution.CACHED
        return NodeResult(cached, outputs)


def _is_lost(artifact: metadata_store_pb2.Artifact) -> bool:
    properties = artifact.custom_properties
    if artifact.type == TrackedRun.TYPE_NAME:
        return bool(properties["redo"].int_value) if "redo" in properties else False
    if artifact.type == "PushedModel" and "pushed_destination" in properties:
        return not Path(properties["pushed_destination"].string_value).is_dir()
    if artifact.type == PushedVariants.TYPE_NAME and "destinations" in properties:
        folders = json.loads(properties["destinations"].string_value)
        return not all(Path(folder).is_dir() for folder in folders)
    return False
