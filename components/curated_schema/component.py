"""Imports the schema that a person froze and reviewed.

TFX's ImportSchemaGen keeps the file's path in its cache key, not its content; here the
content itself is the parameter, so an edited schema re-runs what depends on it, and the
compiled pipeline needs no file beside it.
"""

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from contracts.errors import ConfigError

SCHEMA_FILE = "schema.pbtxt"


def parse_schema(text: str, where: str) -> schema_pb2.Schema:
    """Parses a schema in protobuf's text format.

    Raises:
      ConfigError: `text` is not a schema; `where` names its file.
    """
    try:
        return text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as error:
        raise ConfigError(
            "The frozen schema cannot be read.",
            where=where,
            expected="a tensorflow.metadata.v0.Schema in protobuf's text format",
            received=str(error),
            fix="fix the file, or delete it and run `kelp schema freeze` again",
        ) from error


@component
def CuratedSchema(  # noqa: N802 (a TFX component is named as a class)
    schema: OutputArtifact[standard_artifacts.Schema],
    text: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Writes the frozen schema as the `schema` artifact."""
    parsed = parse_schema(text, "CuratedSchema")
    io_utils.write_pbtxt_file(str(Path(schema.uri) / SCHEMA_FILE), parsed)
