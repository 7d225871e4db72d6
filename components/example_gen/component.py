"""ExampleGen: raw CSV or Parquet files to `tf.Example`s in splits."""

from __future__ import annotations

from typing import ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.example_gen.config import IngestSpec
from components.example_gen.driver import Driver
from components.example_gen.executor import Executor


class ColumnarExampleGenSpec(component_spec.ComponentSpec):
    """The interface of ExampleGen; the driver adds `input_fingerprint` and `span`."""

    PARAMETERS: ClassVar = {
        "ingest": component_spec.ExecutionParameter(type=str),
        "source_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, component_spec.ChannelParameter]] = {}
    OUTPUTS: ClassVar = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }


class ColumnarExampleGen(base_beam_component.BaseBeamComponent):
    """Reads columns, splits rows by their own values, and writes gzip TFRecords.

    Args:
      ingest: Where the data lie, which columns are written, and how rows are split.
      source_digest: A digest of the source that this component can reach, so that TFX's
        cache sees a change of the code.
    """

    SPEC_CLASS = ColumnarExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, ingest: IngestSpec, source_digest: str) -> None:
        spec = ColumnarExampleGenSpec(
            ingest=ingest.model_dump_json(),
            source_digest=source_digest,
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)
        self.with_id("ExampleGen")
