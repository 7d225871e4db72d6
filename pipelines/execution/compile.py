"""Compiles the graph to TFX's intermediate representation."""

from __future__ import annotations

from tfx.dsl.compiler import compiler, constants
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2


def compile_nodes(pipeline: Pipeline, run_id: str) -> pipeline_pb2.Pipeline:
    """Gives the pipeline with its run id filled in and its nodes in topological order."""
    compiled = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        compiled, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    return compiled
