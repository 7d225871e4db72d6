"""Columns that hold files, such as images: the schema marks them, and readers obey the mark."""

from __future__ import annotations

from collections.abc import Iterable

from tensorflow_metadata.proto.v0 import schema_pb2


def mark_files(schema: schema_pb2.Schema, columns: Iterable[str]) -> schema_pb2.Schema:
    """Gives a copy of a schema that says of some columns that they hold files.

    Statistics then leave out the values, and tables hold bytes instead of text.

    Args:
      schema: It gets the columns that it lacks.
      columns: The columns.
    """
    marked = schema_pb2.Schema()
    marked.CopyFrom(schema)
    known = {feature.name: feature for feature in marked.feature}
    for name in columns:
        feature = known[name] if name in known else marked.feature.add(name=name)
        feature.type = schema_pb2.BYTES
        feature.image_domain.SetInParent()
    return marked


def holds_files(feature: schema_pb2.Feature) -> bool:
    """Whether a column holds files."""
    return bool(feature.WhichOneof("domain_info") == "image_domain")
