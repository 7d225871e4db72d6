"""How windows are filled and scaled in the transform graph, and read back off it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import tensorflow as tf

from models.features import tensors

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors
    from models.features.window import WindowSpec


def prepare_windows(specs: Mapping[str, WindowSpec], raw: RawColumns) -> Tensors:
    """Transforms all windows into float32 `[batch, steps, columns]`."""
    outputs: Tensors = {}
    for name, spec in specs.items():
        windows = tf.stack([raw.lists(column) for column in spec.raw_columns(name)], axis=2)
        width = windows.shape[2]
        mean, deviation = tensors.mean_and_deviation(tf.reshape(windows, [-1, width]))
        filled = tensors.fill(fill_steps(windows, spec.fill), mean)
        scaled = filled if spec.scale == "none" else (filled - mean) / deviation
        outputs[name] = tensors.attach(scaled, [mean, deviation])
    return outputs


def fill_steps(windows: tf.Tensor, fill: str) -> tf.Tensor:
    """Fills missing steps from their neighbours; a column without values stays NaN.

    Args:
      windows: `[batch, steps, columns]`, NaN where a step is missing.
      fill: `previous`, `linear` or `mean`, which fills nothing here.
    """
    if fill == "mean":
        return windows
    before, after = _last_known(windows), _next_known(windows)
    if fill == "previous":
        return tf.where(tf.math.is_nan(before), after, before)
    places = tf.range(windows.shape[1], dtype=tf.float32)[None, :, None]
    known = tf.where(tf.math.is_nan(windows), windows, places)
    start, end = _last_known(known), _next_known(known)
    line = before + (after - before) * (places - start) / (end - start)
    between = tf.where(tf.math.is_nan(windows), line, windows)
    ends = tf.where(tf.math.is_nan(before), after, before)
    return tf.where(tf.math.is_nan(between), ends, between)


def _last_known(windows: tf.Tensor) -> tf.Tensor:
    """The last value up to each step; it looks twice as far back in every round."""
    steps, shift = windows.shape[1], 1
    while shift < steps:
        earlier = tf.pad(windows[:, :-shift], [[0, 0], [shift, 0], [0, 0]], constant_values=_NAN)
        windows = tf.where(tf.math.is_nan(windows), earlier, windows)
        shift *= 2
    return windows


def _next_known(windows: tf.Tensor) -> tf.Tensor:
    return tf.reverse(_last_known(tf.reverse(windows, [1])), [1])


_NAN = float("nan")


def read_moments(name: str, learned: Learned) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the deviation of each column of a window, on train."""
    operators = learned.operators
    output = operators.source(operators.output(name))
    _, mean, deviation = operators.inputs(output, "IdentityN", name)
    return operators.vector(mean), operators.vector(deviation)
