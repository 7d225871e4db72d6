"""Freezes the inferred schema for review and version control."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.errors import ConfigError
from contracts.storage.folders import list_published
from contracts.storage.location import is_remote, join_place, parse_location
from contracts.storage.staging import local_place, stage
from models.features.spec import FeaturesSpec
from pipelines.config.problem import LoadedConfig

_HEADER = """\
# The schema of {name}: what the data must look like. Review it, commit it, edit it.
# While this file is here, the data are checked against it and nothing is inferred.
"""


def freeze(loaded: LoadedConfig) -> Path:
    """Writes the last run's inferred schema beside the config and gives its path.

    Raises:
      ConfigError: there is no run to take it from, or a frozen schema is there already.
    """
    target = loaded.schema_path
    if target.exists():
        raise ConfigError(
            "There is a frozen schema already.",
            where=str(target),
            fix="edit it, or delete it and run the pipeline before freezing again",
        )
    source = _last_inferred(loaded)
    schema = text_format.Parse(source.read_text(encoding="utf-8"), schema_pb2.Schema())
    frozen = opened(schema, loaded.config.problem())
    text = _HEADER.format(name=loaded.config.name) + text_format.MessageToString(frozen)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(target)
    return target


def opened(schema: schema_pb2.Schema, problem: FeaturesSpec) -> schema_pb2.Schema:
    """Gives a copy in which vocabulary features have no closed domain.

    A vocabulary has a bucket for what it has not seen: a new value is not an anomaly. A
    categorical feature's domain stays closed.
    """
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    for feature in result.feature:
        spec = problem.features.get(feature.name)
        if spec is not None and spec.new_values:
            _open(result, feature)
    return result


def _open(schema: schema_pb2.Schema, feature: schema_pb2.Feature) -> None:
    shared = feature.domain
    if feature.HasField("string_domain"):
        feature.ClearField("string_domain")
    if not shared:
        return
    feature.ClearField("domain")
    if not any(other.domain == shared for other in schema.feature):
        kept = [domain for domain in schema.string_domain if domain.name != shared]
        del schema.string_domain[:]
        schema.string_domain.extend(kept)


def _last_inferred(loaded: LoadedConfig) -> Path:
    place = join_place(loaded.config.runs, f"{loaded.config.name}/artifacts/SchemaGen/schema")
    root = local_place(place)
    if is_remote(place):
        for newest in sorted(list_published(parse_location(place)), key=int)[-1:]:
            stage(join_place(place, newest))
    found = sorted(root.glob("*/schema.pbtxt"), key=lambda path: int(path.parent.name))
    if not found:
        raise ConfigError(
            "There is no inferred schema to freeze.",
            where=str(root),
            expected="at least one run of the pipeline",
            fix=f"run `kelp run {loaded.path}` first",
        )
    return found[-1]
