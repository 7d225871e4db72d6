"""What features of the project share."""

import tensorflow as tf


def safe_log(numbers, floor):
    """The logarithm, of `floor` at least."""
    return tf.math.log(tf.maximum(numbers, floor))
