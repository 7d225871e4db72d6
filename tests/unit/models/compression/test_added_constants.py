"""Constants that are added to biases, before TensorFlow's quantiser sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.compression.formats.added_constants import subtract_constants

ROWS = np.random.default_rng(0).normal(size=[2, 4, 4, 3]).astype(np.float32)
BIAS = tf.constant([0.5, -1.0])


def _biased(rows: tf.Tensor) -> tf.Tensor:
    kernel = tf.reshape(tf.range(6.0), [1, 1, 3, 2])
    return tf.nn.bias_add(tf.nn.conv2d(rows, kernel, 1, "SAME"), BIAS)


@pytest.mark.parametrize(
    ("function", "replaced"),
    [
        (lambda rows: tf.nn.relu6(_biased(rows) + 3.0) / 6.0, 1),
        (lambda rows: tf.raw_ops.AddV2(x=tf.constant(3.0), y=_biased(rows)), 1),
        (lambda rows: _biased(rows) * 2.0 + 3.0, 0),
        (lambda rows: _biased(rows) + tf.constant([3.0, 4.0]), 0),
    ],
)
def test_a_constant_that_is_added_to_a_bias_is_subtracted(
    tmp_path: Path, function: object, replaced: int
) -> None:
    serve = tf.function(function, [tf.TensorSpec([None, 4, 4, 3], tf.float32, name="rows")])
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures={"serve": serve})
    assert subtract_constants(tmp_path) == replaced
    served = tf.saved_model.load(str(tmp_path)).signatures["serve"]
    (answer,) = served(rows=tf.constant(ROWS)).values()
    np.testing.assert_array_equal(answer, serve(tf.constant(ROWS)))
