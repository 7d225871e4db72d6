"""Encoders of texts, under Keras 3 and under tf_keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tf_keras
from pydantic import TypeAdapter

from models.encoders.texts import TextEncoder
from models.features.layers import register_layers
from models.features.text import TextSpec

LENGTH, SIZE = 6, 9
ENCODERS = (
    {"kind": "average", "dimension": 4},
    {"kind": "cnn", "dimension": 4, "filters": 3, "kernels": [2, 3]},
    {"kind": "gru", "dimension": 4, "units": 3},
    {"kind": "lstm", "dimension": 4, "units": 3},
    {"kind": "transformer", "width": 4, "heads": 2, "units": 5},
)
IDS = np.array([[2, 3, 4, 0, 0, 0], [5, 1, 0, 0, 0, 0], [0] * 6, [8, 7, 6, 5, 4, 3]])


class _Learned:
    def lines(self, asset):
        return tuple(b"%d" % place for place in range(SIZE))


def _network(keys, keras_module, length=LENGTH):
    encoder = TypeAdapter(TextEncoder).validate_python(keys)
    port = TextSpec(length=length, encoder=encoder).value_port("review", _Learned())
    assert (port.size, port.row_shape) == (SIZE, (length,))
    ids = keras_module.Input(port.row_shape, dtype="int64")
    return keras_module.Model(ids, port.encoding.encode(port, ids, keras_module))


@pytest.mark.parametrize("keys", ENCODERS, ids=lambda keys: keys["kind"])
def test_both_kerases_encode_alike_and_padding_changes_nothing(keys):
    keras.utils.set_random_seed(1)
    network = _network(keys, keras)
    encoded = network(IDS, training=False).numpy()
    assert encoded.shape == (4, network.output.shape[-1])
    assert np.isfinite(encoded).all()
    assert np.abs(encoded[[0, 1, 3]]).max() > 0
    other = _network(keys, tf_keras)
    other.set_weights(network.get_weights())
    np.testing.assert_allclose(other(IDS, training=False), encoded, atol=1e-6)
    longer = _network(keys, keras, LENGTH + 2)
    weights = [
        np.pad(weight, [(0, 2), (0, 0)]) if weight.shape[0] == LENGTH else weight
        for weight in network.get_weights()
    ]
    longer.set_weights(weights)
    padded = np.pad(IDS, [(0, 0), (0, 2)])
    np.testing.assert_allclose(longer(padded, training=False), encoded, atol=1e-6)


def test_an_encoder_is_saved_and_loaded(tmp_path):
    register_layers()
    network = _network(ENCODERS[0], keras)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(IDS), network(IDS))
