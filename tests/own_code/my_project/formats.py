"""A format of a user's own: a SavedModel whose weights have the precision of bfloat16."""

from models.compression.formats import Format


def write_rounded(precision, opened, folder):
    """Rounds the weights, which then take less room in an archive."""
    import tensorflow as tf

    from models.compression.formats.savedmodel import save_served

    network = opened.network()
    for weight in network.trainable_variables:
        weight.assign(tf.cast(tf.cast(weight.value, precision), tf.float32))
    save_served(opened, network, folder)


ROUNDED = Format(
    title="a rounded SavedModel",
    extension="",
    runtime=None,
    converter="my_project.formats:write_rounded",
    tolerances={"bfloat16": 0.05},
)
