"""One node of the compiled graph: looked up in the cache, executed, recorded.

What reads and writes the metadata store happens in the process of the run. The work itself,
`execute`, takes and gives bytes and may happen in another process.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_metadata.errors import StatusError
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.dsl.io import fileio
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import data_types, launcher, outputs_utils
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto.orchestration import (
    executable_spec_pb2,
    execution_invocation_pb2,
    execution_result_pb2,
    pipeline_pb2,
    placeholder_pb2,
)
from tfx.types.artifact import Artifact

from components.artifacts import PushedVariants, TrackedRun
from contracts.errors import EnvironmentProblem
from contracts.storage.staging import is_there
from pipelines.beam.checks import require_beam
from pipelines.beam.construction import quicken_construction
from pipelines.beam.job_servers import shared_job_servers
from pipelines.beam.options import batch_by_size, beam_args
from pipelines.beam.spec import BeamSpec, LocalBeam
from pipelines.execution.bucket_files import register_bucket_files
from pipelines.execution.metadata import Connection
from pipelines.execution.staged_work import do_staged
from pipelines.execution.store import StoreConnection

Outputs = Mapping[str, list[Artifact]]


@dataclass(frozen=True)
class NodeResult:
    """What one node gave.

    Attributes:
      cached: Whether its work was found done.
      outputs: Its artifacts by output key.
    """

    cached: bool
    outputs: Outputs


@dataclass(frozen=True)
class BeamPlace:
    """Where Beam runs.

    Attributes:
      spec: The key `beam` of the config.
      runs: The folder of the runs.
    """

    spec: BeamSpec = field(default_factory=LocalBeam)
    runs: str = "runs"


@dataclass(frozen=True)
class NodeWork:
    """The work of one node, in a form that another process can take.

    Attributes:
      pipeline: The compiled pipeline.
      node: The node's id.
      invocation: Inputs, outputs and parameters.
      place: Where Beam runs, if the node uses it.
    """

    pipeline: bytes
    node: str
    invocation: bytes
    place: BeamPlace


class NodeExecution:
    """One execution of one node, from its registration to its end in the metadata store.

    Attributes:
      result: What the node gave, once that is known.
    """

    def __init__(
        self,
        pipeline: pipeline_pb2.Pipeline,
        node: pipeline_pb2.PipelineNode,
        store: StoreConnection,
        place: BeamPlace,
    ) -> None:
        self.result: NodeResult | None = None
        self._pipeline, self._node, self._store = pipeline, node, store
        self._place = place
        self._launcher = _launcher(pipeline, node, store)
        self._prepared: Any = None

    def prepare(self) -> None:
        """Registers the execution; `result` is set where there is nothing left to do.

        What a killed attempt at the same node of the same run has left is removed before.

        Raises:
          RuntimeError: its inputs could not be resolved.
          EnvironmentProblem: the metadata store does not answer.
        """
        self._store.repeated(self._prepare)

    def _prepare(self) -> None:
        executions = self._executions()
        successful = _successful(executions)
        if successful is not None:
            self.result = self._read(successful.id)
            return
        for execution in executions:
            self._remove_leftovers(execution)
        if self._launcher._system_node_handler is not None:
            self.result = self._read(self._launcher.launch().execution_id)
            return
        self._prepared = self._launcher._prepare_execution()
        if self._prepared.is_execution_needed:
            self._require_new_folders()
        else:
            self.result = self._read(self._prepared.execution_info.execution_id)

    def _require_new_folders(self) -> None:
        """Refuses to write where another metadata store has artifacts: ids begin anew in each."""
        taken = [
            artifact.uri
            for artifacts in self._info.output_dict.values()
            for artifact in artifacts
            if fileio.exists(artifact.uri)
        ]
        if not taken:
            return
        info, contexts = self._info, self._prepared.contexts
        self._launcher._clean_up_stateless_execution_info(info)
        self._launcher._publish_failed_execution(info.execution_id, contexts)
        self._prepared = None
        raise EnvironmentProblem(
            "The folder of artifacts has those of another metadata store.",
            where=taken[0],
            expected="artifacts and the metadata store that they were recorded in",
            received=f"artifacts with ids that {self._store.where} has not given yet",
            fix="bring that store back (key metadata), or choose a new folder with runs=FOLDER",
        )

    @property
    def task(self) -> tuple[Callable[[NodeWork], bytes], NodeWork]:
        """The function that does the work, and its argument."""
        work = NodeWork(
            pipeline=self._pipeline.SerializeToString(),
            node=self._node.node_info.id,
            invocation=self._info.to_proto().SerializeToString(),
            place=self._place,
        )
        return execute, work

    def publish(self, output: bytes) -> NodeResult:
        """Records the success of the work.

        Args:
          output: What `execute` gave.

        Raises:
          EnvironmentProblem: the metadata store does not answer.
        """
        info = self._info
        given = execution_result_pb2.ExecutorOutput.FromString(output)
        self._launcher._clean_up_stateless_execution_info(info)
        self._launcher._clean_up_stateful_execution_info(info)

        def record() -> NodeResult:
            # A connection may be lost after the server has recorded it all.
            if _successful(self._executions()) is None:
                self._launcher._publish_successful_execution(
                    info.execution_id, self._prepared.contexts, info.output_dict, given
                )
            return self._read(info.execution_id)

        self.result = self._store.repeated(record)
        return self.result

    def discard(self) -> None:
        """Removes what the work has written, and records that it failed."""
        if self._prepared is None or self.result is not None:
            return
        info = self._info
        _remove_outputs(info.output_dict)
        self._launcher._clean_up_stateless_execution_info(info)
        try:
            self._launcher._publish_failed_execution(info.execution_id, self._prepared.contexts)
        except StatusError:  # it stays as one that runs; another attempt finds it
            logging.getLogger(__name__).exception("the failure could not be recorded")

    def finished(self) -> NodeResult | None:
        """Gives what this node has given in this run; None where it has not succeeded."""

        def look() -> NodeResult | None:
            successful = _successful(self._executions())
            return None if successful is None else self._read(successful.id)

        return self._store.repeated(look)

    def _executions(self) -> list[metadata_store_pb2.Execution]:
        """All executions of this node in this run."""
        contexts = context_lib.prepare_contexts(self._store, self._node.contexts)
        found: list[metadata_store_pb2.Execution] = (
            execution_lib.get_executions_associated_with_all_contexts(self._store, contexts)
        )
        return found

    def _remove_leftovers(self, execution: metadata_store_pb2.Execution) -> None:
        """Removes what an attempt left that was killed, and records that it failed."""
        if not execution_lib.is_execution_active(execution):
            return
        resolver = self._launcher._output_resolver
        _remove_outputs(resolver.generate_output_artifacts(execution.id))
        fileio.rmtree(resolver.get_executor_output_uri(execution.id).rpartition("/")[0])
        contexts = context_lib.prepare_contexts(self._store, self._node.contexts)
        self._launcher._publish_failed_execution(execution.id, contexts)

    @property
    def _info(self) -> data_types.ExecutionInfo:
        return self._prepared.execution_info

    def _read(self, execution_id: int) -> NodeResult:
        (execution,) = self._store.store.get_executions_by_id([execution_id])
        if not execution_lib.is_execution_successful(execution):
            name = self._node.node_info.id
            raise RuntimeError(f"{name} did not run: its inputs could not be resolved")
        outputs = execution_lib.get_output_artifacts(self._store, execution_id)
        cached = execution.last_known_state == metadata_store_pb2.Execution.CACHED
        return NodeResult(cached, outputs)


def _successful(
    executions: Iterable[metadata_store_pb2.Execution],
) -> metadata_store_pb2.Execution | None:
    """The newest of the executions that succeeded."""
    done = [one for one in executions if execution_lib.is_execution_successful(one)]
    return max(done, key=lambda one: one.id, default=None)


def _remove_outputs(outputs: Outputs) -> None:
    written = {
        key: [one for one in artifacts if fileio.exists(one.uri) or is_there(one.uri)]
        for key, artifacts in outputs.items()
    }
    outputs_utils.remove_output_dirs(written)


def execute(work: NodeWork) -> bytes:
    """Does the work of one node in this process.

    Returns:
      TFX's ExecutorOutput, serialized.

    Raises:
      EnvironmentProblem: Beam cannot run where the config says.
    """
    pipeline = pipeline_pb2.Pipeline.FromString(work.pipeline)
    node = next(
        node.pipeline_node
        for node in pipeline.nodes
        if node.pipeline_node.node_info.id == work.node
    )
    invocation = execution_invocation_pb2.ExecutionInvocation.FromString(work.invocation)
    info = data_types.ExecutionInfo.from_proto(invocation)
    # The work itself knows no metadata store: the process of the run alone writes to it.
    with shared_job_servers():
        output = do_staged(info, _launcher(pipeline, node, None, work.place)._run_executor)
    given: bytes = output.SerializeToString()
    return given


def _launcher(
    pipeline: pipeline_pb2.Pipeline,
    node: pipeline_pb2.PipelineNode,
    store: StoreConnection | None,
    place: BeamPlace | None = None,
) -> launcher.Launcher:
    register_bucket_files()
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    node_id = node.node_info.id
    driver = runner_utils.extract_custom_driver_spec(deployment, node_id) if store else None
    executor = runner_utils.extract_executor_spec(deployment, node_id)
    if place is not None and isinstance(executor, executable_spec_pb2.BeamExecutableSpec):
        require_beam(place.spec, place.runs)
        _set_beam_args(executor, place.spec)
        quicken_construction()
    return launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=store,
        pipeline_info=pipeline.pipeline_info,
        pipeline_runtime_spec=pipeline.runtime_spec,
        executor_spec=executor,
        custom_driver_spec=driver,
    )


def _set_beam_args(executor: executable_spec_pb2.BeamExecutableSpec, spec: BeamSpec) -> None:
    del executor.beam_pipeline_args_placeholders[:]
    for argument in beam_args(spec):
        expression = placeholder_pb2.PlaceholderExpression()
        expression.value.string_value = argument
        executor.beam_pipeline_args_placeholders.append(expression)


class NodeStore:
    """The metadata store of one compiled pipeline.

    What looks into the cache does not know where Beam runs: its results are the same anywhere.
    """

    def __init__(
        self,
        pipeline: pipeline_pb2.Pipeline,
        connection: Connection,
        place: BeamPlace = BeamPlace(),
    ) -> None:
        """Opens the store.

        Args:
          pipeline: The compiled pipeline.
          connection: Where the store is.
          place: Where Beam runs.

        Raises:
          EnvironmentProblem: The server does not answer.
        """
        batch_by_size()
        self._pipeline, self._place = pipeline, place
        self._store = StoreConnection(connection)

    def forget_lost_work(self) -> None:
        """Takes out of the cache what a person deleted, and what could not be tracked.

        TFX looks for an artifact's own folder, not for the model that a Pusher copied.
        """
        lost = [
            artifact
            for artifact in self._artifacts()
            if artifact.state == metadata_store_pb2.Artifact.LIVE and _is_lost(artifact)
        ]
        for artifact in lost:
            artifact.state = metadata_store_pb2.Artifact.DELETED
        if lost:
            self._store.store.put_artifacts(lost)

    def _artifacts(self) -> list[metadata_store_pb2.Artifact]:
        """All artifacts of this pipeline: a server may have those of others."""
        store, name = self._store.store, self._pipeline.pipeline_info.id
        context = store.get_context_by_type_and_name(constants.PIPELINE_CONTEXT_TYPE_NAME, name)
        return [] if context is None else list(store.get_artifacts_by_context(context.id))

    def execution(self, node: pipeline_pb2.PipelineNode) -> NodeExecution:
        """Gives an execution of a node whose inputs have been made."""
        return NodeExecution(self._pipeline, node, self._store, self._place)


def _is_lost(artifact: metadata_store_pb2.Artifact) -> bool:
    properties = artifact.custom_properties
    if artifact.type == TrackedRun.TYPE_NAME:
        return bool(properties["redo"].int_value) if "redo" in properties else False
    if artifact.type == "PushedModel" and "pushed_destination" in properties:
        return not is_there(properties["pushed_destination"].string_value)
    if artifact.type == PushedVariants.TYPE_NAME and "destinations" in properties:
        folders = json.loads(properties["destinations"].string_value)
        return not all(map(is_there, folders))
    return False
