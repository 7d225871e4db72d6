"""How many rows a network is asked about at once."""

from __future__ import annotations

import keras
import numpy as np

from models.export.encoding import BATCH_ROWS, cut, encoding_from_json, mean_row
from models.networks.memory import rows_at_once
from models.networks.parts import FEATURES_LAYER


def _attention(tokens):
    """What a layer gives for a row grows with the square of the tokens."""
    ids = keras.Input([tokens], dtype="int32")
    states = keras.layers.Embedding(9, 8)(ids)
    scores = keras.layers.Dot(axes=2)([states, states])
    pooled = keras.layers.GlobalAveragePooling1D(name=FEATURES_LAYER)(scores)
    hidden = keras.layers.Dense(2)(pooled)
    return keras.Model({"text": ids}, keras.layers.Dense(1, activation="sigmoid")(hidden))


def test_a_network_of_long_texts_is_asked_about_few_rows():
    assert rows_at_once(_attention(8), 8192) == 8192
    few = rows_at_once(_attention(512), 8192)
    # 512 x 512 scores of four bytes are a megabyte.
    assert 450 < few < 512
    assert rows_at_once(_attention(512), 100) == 100
    assert rows_at_once(_attention(8192), 8192) == 16
    assert rows_at_once(object(), 8192) == 8192


def test_the_mean_row_does_not_depend_on_how_many_are_encoded_at_once():
    halves = cut(_attention(4), "binary")
    sample = {"text": np.random.default_rng(0).integers(0, 9, (7, 4))}
    whole = mean_row(halves, sample)
    np.testing.assert_allclose(mean_row(halves, sample, 3), whole, atol=1e-7)


def test_a_model_of_an_older_version_is_asked_about_as_many_rows_as_then():
    fields = '{"task": "binary", "label": "y", "classes": [], "features": [], "reference": [], '
    fields += '"threshold": null, "inputs": {"x": "x"}'
    assert encoding_from_json(fields + "}").rows_at_once == BATCH_ROWS
    assert encoding_from_json(fields + ', "rows": 20}').rows_at_once == 20
    assert encoding_from_json(fields + ', "rows": 200, "files": ["x"]}').rows_at_once == 128
