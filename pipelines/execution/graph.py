"""The graph of a config, compiled; TFX is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.storage.staging import local_place
from models.user_code import use_code_folder
from pipelines.execution.lasting_imports import lasting_imports

if TYPE_CHECKING:
    from tfx.proto.orchestration import pipeline_pb2

    from pipelines.config.problem import LoadedConfig


def compile_graph(loaded: LoadedConfig, run_id: str) -> pipeline_pb2.Pipeline:
    """Compiles the graph of a config for one run.

    Raises:
      KelpError: It cannot be compiled: a frozen schema is not valid, or a function is missing.
    """
    use_code_folder(loaded.code_folder)
    # Here and not above: TFX takes seconds to import, and says much while it does.
    with lasting_imports():
        from pipelines.execution.compile import compile_nodes
        from pipelines.graph import create_pipeline

    return compile_nodes(create_pipeline(loaded, pipeline_root(loaded)), run_id)


def nodes_of(compiled: pipeline_pb2.Pipeline) -> dict[str, Any]:
    """Gives the nodes of a compiled graph by id, in topological order."""
    return {node.pipeline_node.node_info.id: node.pipeline_node for node in compiled.nodes}


def pipeline_root(loaded: LoadedConfig) -> Path:
    """The folder in which all runs of a config are; of a root in a bucket, its local copy."""
    return local_place(loaded.config.runs).resolve() / loaded.config.name
