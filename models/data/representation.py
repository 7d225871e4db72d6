"""How raw examples become dense tensors: written into the schema, obeyed by all readers.

TFX Transform, the Trainer's input pipeline and the serving signatures all derive their
parsing from the one schema that `dense_schema` gives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.columns import MISSING_INT, MISSING_TEXT
from contracts.errors import ConfigError
from models.features.spec import FeaturesSpec

_GROUP = ""


def dense_schema(schema: schema_pb2.Schema, problem: FeaturesSpec) -> schema_pb2.Schema:
    """Gives each feature and the label a dense tensor with the missing default.

    It is `[1]`, or as long as the column's lists are.

    Columns that are neither stay in the schema, so that slices and statistics can name
    them, and are marked DISABLED: without a mark each would become a sparse tensor.

    Args:
      schema: The schema of the raw examples; it is left as it is.
      problem: The features and the label.

    Returns:
      A copy of the schema with the tensor representations.

    Raises:
      ConfigError: A feature or the label is not in the schema.
    """
    dense = schema_pb2.Schema()
    dense.CopyFrom(schema)
    wanted = [*problem.raw_columns(), problem.label.name]
    columns = {column.name: column for column in dense.feature}
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise ConfigError(
            "a column that the config names is not in the schema",
            where="label.name" if missing[0] == problem.label.name else f"features.{missing[0]}",
            expected=f"one of: {', '.join(sorted(columns))}",
            received=", ".join(missing),
            fix="correct the name in the config, or bring the column into the data",
        )
    group = dense.tensor_representation_group[_GROUP].tensor_representation
    group.clear()
    sizes = problem.raw_sizes()
    for name in wanted:
        group[name].dense_tensor.column_name = name
        group[name].dense_tensor.shape.dim.add(size=sizes[name])
        _set_default(group[name].dense_tensor.default_value, columns[name].type)
    for name in columns.keys() - set(wanted):
        columns[name].lifecycle_stage = schema_pb2.DISABLED
    return dense


def _set_default(value: Any, kind: int) -> None:
    if kind == schema_pb2.FLOAT:
        value.float_value = math.nan
    elif kind == schema_pb2.INT:
        value.int_value = MISSING_INT
    else:
        value.bytes_value = MISSING_TEXT.encode()


def raw_input_specs(
    schema: schema_pb2.Schema, exclude: frozenset[str] = frozenset()
) -> dict[str, tf.io.FixedLenFeature]:
    """Gives what `tf.io.parse_example` needs to read raw examples.

    Args:
      schema: The schema that `dense_schema` gave.
      exclude: Columns to leave out; the label when serving.

    Returns:
      One dense feature with its missing default per column, in the columns' order.
    """
    sizes = raw_sizes(schema)
    return {
        column.name: _parsing(column.type, sizes[column.name])
        for column in schema.feature
        if column.name in sizes and column.name not in exclude
    }


def raw_sizes(schema: schema_pb2.Schema) -> dict[str, int]:
    """How many values a row of each column holds, of those that have a dense representation.

    Args:
      schema: A schema; only one that `dense_schema` gave has such columns.
    """
    if _GROUP not in schema.tensor_representation_group:
        return {}
    group = schema.tensor_representation_group[_GROUP].tensor_representation
    return {
        name: int(representation.dense_tensor.shape.dim[0].size)
        for name, representation in group.items()
    }


def parse_rows(
    examples: tf.Tensor, specs: Mapping[str, tf.io.FixedLenFeature]
) -> dict[str, tf.Tensor]:
    """Gives what `tf.io.parse_example` gives, in one operator for all columns.

    That function adds several for each column, which counts where there are a thousand.

    Args:
      examples: Serialized `tf.Example`s.
      specs: What `raw_input_specs` gave.
    """
    names = sorted(specs)
    defaults = {
        _default_key(spec): tf.constant(spec.default_value, spec.dtype) for spec in specs.values()
    }
    parsed = tf.raw_ops.ParseExampleV2(
        serialized=examples,
        names=tf.constant([], tf.string),
        sparse_keys=tf.constant([], tf.string),
        dense_keys=tf.constant(names, tf.string),
        ragged_keys=tf.constant([], tf.string),
        dense_defaults=[defaults[_default_key(specs[name])] for name in names],
        num_sparse=0,
        sparse_types=[],
        ragged_value_types=[],
        ragged_split_types=[],
        dense_shapes=[specs[name].shape for name in names],
    )
    return dict(zip(names, parsed.dense_values, strict=True))


def _default_key(spec: tf.io.FixedLenFeature) -> tuple[Any, ...]:
    return (spec.dtype, *spec.shape)


def _parsing(kind: int, size: int) -> tf.io.FixedLenFeature:
    if kind == schema_pb2.FLOAT:
        return tf.io.FixedLenFeature([size], tf.float32, [math.nan] * size)
    if kind == schema_pb2.INT:
        return tf.io.FixedLenFeature([size], tf.int64, [MISSING_INT] * size)
    return tf.io.FixedLenFeature([size], tf.string, [MISSING_TEXT] * size)
