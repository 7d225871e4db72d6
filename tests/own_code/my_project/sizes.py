"""A kind of feature of a user's own: words in an order, such as sizes."""

from __future__ import annotations

from models.features.kind import FeatureKind
from models.features.ports import Encoding, InputSpec


class Ordered(FeatureKind):
    """A word by its place in an order; an unknown or a missing one comes first."""

    order: tuple[str, ...]

    raw_values = "categories"

    @classmethod
    def transform(cls, specs, raw):
        """Compares with every word."""
        import tensorflow as tf

        places = {}
        for name, spec in specs.items():
            matches = tf.cast(tf.equal(raw.texts([name]), spec.order), tf.int64)
            numbers = tf.range(1, len(spec.order) + 1, dtype=tf.int64)
            places[name] = tf.reduce_sum(matches * numbers, axis=1, keepdims=True)
        return places

    def value_port(self, name, learned):
        """The place, which a small table of its own turns into numbers."""
        return InputSpec(name, "place", len(self.order) + 1, own=Encoding("int64", _embed))


def _embed(port, tensor, keras_module):
    layers = keras_module.layers
    return layers.Flatten()(layers.Embedding(port.size, 2)(tensor))
