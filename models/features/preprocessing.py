"""What TF Transform learns from train, and how it turns raw columns into features.

Each kind of feature transforms all features of its kind at once: see models/features/kind.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from contracts.columns import indicator_name
from contracts.errors import ConfigError
from models.features.kind import FeatureKind
from models.features.spec import FeaturesSpec
from models.features.tensors import RawColumns, Tensors, groups, missing, split_columns, to_number
from models.tasks import find_task


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> Tensors:
    """Turns raw columns into the features and the label of the problem.

    Args:
      inputs: One dense tensor per column: `[batch, 1]`, or `[batch, size]` of lists.
      custom_config: Has the `FeaturesSpec` as JSON under `spec`.

    Returns:
      The features as their kinds give them, such as float32 `[batch, 1]` for a number and
      int64 ids `[batch, 1]` for a category, and the label as `[batch]`, or as
      `[batch, steps]` where it is a list.
    """
    problem = FeaturesSpec.model_validate_json(custom_config["spec"])
    raw = RawColumns(inputs)
    outputs: Tensors = {}
    for transform, specs in _by_transform(problem):
        outputs |= transform(specs, raw)
    outputs |= _missing_indicators(problem, raw)
    outputs[problem.label.name] = _encode_label(problem, inputs[problem.label.name])
    return outputs


def _by_transform(
    problem: FeaturesSpec,
) -> list[tuple[Callable[[Mapping[str, Any], RawColumns], Tensors], dict[str, FeatureKind]]]:
    """Each transform with its features; kinds that inherit one share its analyzers."""
    shared: dict[Any, tuple[Callable[..., Tensors], dict[str, FeatureKind]]] = {}
    for name, spec in problem.features.items():
        _, specs = shared.setdefault(
            getattr(spec.transform, "__func__", spec.transform), (spec.transform, {})
        )
        specs[name] = spec
    return list(shared.values())


def _missing_indicators(problem: FeaturesSpec, raw: RawColumns) -> Tensors:
    names = [name for name, spec in problem.features.items() if spec.marks_missing]
    outputs: Tensors = {}
    for group in groups(names):
        indicators = [indicator_name(name) for name in group]
        outputs |= split_columns(missing(raw.numbers(group)), indicators)
    return outputs


def _encode_label(problem: FeaturesSpec, column: tf.Tensor) -> tf.Tensor:
    """Ids by comparing with every class: no table, so nothing to initialise."""
    name = problem.label.name
    if not find_task(problem.task).has_classes:
        numbers = to_number(name, column)
        return numbers if problem.label.steps else tf.squeeze(numbers, axis=1)
    if column.dtype == tf.string:
        matches = tf.equal(column, [str(c) for c in problem.label_classes()])
    else:
        matches = tf.equal(tf.cast(column, tf.float64), _class_numbers(problem))
    ids = tf.argmax(tf.cast(matches, tf.int32), axis=1, output_type=tf.int64)
    return tf.where(tf.reduce_any(matches, axis=1), ids, tf.constant(-1, tf.int64))


def _class_numbers(problem: FeaturesSpec) -> list[float]:
    try:
        return [float(value) for value in problem.label_classes()]
    except ValueError as error:
        raise ConfigError(
            f"label {problem.label.name!r} holds numbers, and its classes are text",
            where="label.classes",
            expected="the label's own values",
            received=", ".join(map(str, problem.label_classes())),
            fix="list the values as they are in the data",
        ) from error
