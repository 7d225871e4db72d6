"""The driver of ExampleGen: puts the content of the data into TFX's cache key."""

from __future__ import annotations

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.example_gen.config import IngestSpec
from components.example_gen.files import select_files
from components.example_gen.fingerprint import fingerprint


class Driver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Runs before TFX looks into its cache."""

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Adds the data's fingerprint and newest span to the execution properties."""
        spec = IngestSpec.model_validate_json(execution_info.exec_properties["ingest"])
        selection = select_files(spec)
        output = driver_output_pb2.DriverOutput()
        added = {"input_fingerprint": fingerprint(selection, spec), "span": selection.newest_span}
        for name, value in added.items():
            data_types_utils.set_metadata_value(output.exec_properties[name], value)
        return output
