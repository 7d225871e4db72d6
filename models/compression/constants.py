"""Reads the constants of a transform graph, so that its work can be done without it."""

from __future__ import annotations

from typing import Any

import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.errors import ModelError
from contracts.preparation import Preparation
from models.features.learned import Learned
from models.features.spec import FeaturesSpec

_RAW = {
    schema_pb2.INT: "int64",
    schema_pb2.FLOAT: "float32",
    schema_pb2.BYTES: "string",
}


def learned_preparation(
    problem: FeaturesSpec, schema: schema_pb2.Schema, graph: tft.TFTransformOutput
) -> Preparation:
    """Gives how raw columns are prepared, with every constant that the graph has learned."""
    kinds: dict[str, Any] = {column.name: _RAW[column.type] for column in schema.feature}
    learned = Learned(problem, graph)
    features: list[Any] = []
    for name, spec in problem.features.items():
        prepared = spec.preparation(name, learned)
        if prepared is None:
            raise ModelError(
                f"feature {name!r} cannot be prepared outside of the transform graph",
                where=f"features.{name}",
                expected="a kind of feature with a preparation for servers",
                received=f"the kind {spec.type}",
                fix="choose formats that hold the transform graph: savedmodel_...",
            )
        column = spec.raw_columns(name)[0]
        common = {"column": name, "raw": kinds[column], "missing_indicator": spec.marks_missing}
        features.append({**common, **prepared})
    return Preparation.model_validate({"features": features})
