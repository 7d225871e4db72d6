"""A feature of a user's own, by a function of TF Transform."""

import tensorflow as tf
import tensorflow_transform as tft
from my_project.logs import safe_log


def log_ratio(columns, floor):
    """The logarithm of weight over length, standardised; 0 where one of them is missing."""
    ratio = safe_log(columns["weight"], floor) - safe_log(columns["length"], floor)
    return tft.scale_to_z_score(tf.where(tf.math.is_nan(ratio), 0.0, ratio))
