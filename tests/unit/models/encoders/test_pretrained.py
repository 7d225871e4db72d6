"""A pretrained encoder's folder: what it must hold, and what the config may say beside it."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError
from safetensors.numpy import save_file

from contracts.errors import DataError
from models.encoders.texts.bert import PretrainedText, build_bert
from models.features.text import TextSpec
from models.features.texts.pretrained import encode_frozen

CONFIG = {
    "model_type": "bert", "hidden_act": "gelu", "hidden_size": 8, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 5, "vocab_size": 5, "layer_norm_eps": 1e-12,
    "max_position_embeddings": 6,
}  # fmt: skip
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_the_digest_of_the_files_is_part_of_the_spec(folder):
    spec = TextSpec(pretrained=folder)
    assert TextSpec.model_validate_json(spec.model_dump_json()) == spec
    (folder / "model.safetensors").write_bytes(b"others")
    assert TextSpec(pretrained=folder).sha256 != spec.sha256
    assert not spec.is_prepared
    assert "TFLite and ONNX variants" in spec.not_offered()


def test_an_absent_file_is_named_with_the_folder_where_it_belongs(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"lacks model\.safetensors") as caught:
        TextSpec(pretrained=folder)
    assert str(folder) in caught.value.where
    with pytest.raises(DataError) as caught:
        TextSpec(pretrained=folder / "nowhere")
    assert caught.value.received == "no such folder"


@pytest.mark.parametrize(
    ("file", "content", "reported"),
    [
        ("config.json", json.dumps({**CONFIG, "model_type": "gpt2"}), "gpt2"),
        ("config.json", json.dumps({**CONFIG, "hidden_act": "swish"}), "swish"),
        ("vocab.txt", "[PAD]\n[UNK]\ngood\n", r"no \[CLS\], \[SEP\]"),
        ("vocab.txt", "\n".join(reversed(TOKENS)), "good there"),
    ],
)
def test_an_encoder_of_another_kind_is_refused(folder, file, content, reported):
    (folder / file).write_text(content)
    with pytest.raises(DataError) as caught:
        TextSpec(pretrained=folder)
    assert re.search(reported, caught.value.received)


def test_keys_that_the_encoder_decides_are_refused(folder):
    with pytest.raises(ValidationError, match="pretrained decides lowercase"):
        TextSpec(pretrained=folder, lowercase=False)
    with pytest.raises(ValidationError, match="reads words in order"):
        TextSpec(ngrams=2, encoder={"kind": "gru"})


def _write_weights(folder):
    generator = np.random.default_rng(0)

    def tensor(*shape):
        return generator.normal(size=shape).astype(np.float32)

    weights = {"embeddings.word_embeddings.weight": tensor(5, 8)}
    weights["embeddings.position_embeddings.weight"] = tensor(6, 8)
    weights["embeddings.token_type_embeddings.weight"] = tensor(2, 8)
    norms = ["embeddings"]
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        dense = [f"attention.self.{part}" for part in ("query", "key", "value")]
        shapes = dict.fromkeys([*dense, "attention.output.dense"], (8, 8))
        for name, shape in {**shapes, "intermediate.dense": (5, 8), "output.dense": (8, 5)}.items():
            weights[f"{layer}.{name}.weight"] = tensor(*shape)
            weights[f"{layer}.{name}.bias"] = tensor(shape[0])
        norms += [f"{layer}.attention.output", f"{layer}.output"]
    for norm in norms:
        weights[f"{norm}.LayerNorm.weight"] = tensor(8)
        weights[f"{norm}.LayerNorm.bias"] = tensor(8)
    save_file(weights, folder / "model.safetensors")


def test_fewer_layers_give_the_states_of_a_middle_one(folder):
    _write_weights(folder)
    first = build_bert(PretrainedText(folder, layers=1), keras)
    whole = build_bert(PretrainedText(folder), keras)
    middle = keras.Model(whole.inputs, whole.get_layer("block_0_norm").output)
    ids, places = np.array([[2, 4, 3, 0]]), np.arange(4)[None]
    rows = [ids, places, (ids > 0)[:, None]]
    np.testing.assert_allclose(first(rows), middle(rows), atol=1e-6)
    assert np.abs(first(rows) - whole(rows)).max() > 0.1
    assert TextSpec(pretrained=folder, pretrained_layers=2).pretrained_layers == 2
    with pytest.raises(DataError, match="fewer layers") as caught:
        TextSpec(pretrained=folder, pretrained_layers=3)
    assert caught.value.expected == "at most 2"
    with pytest.raises(ValidationError, match="Invalid pretrained_layers"):
        TextSpec(pretrained_layers=1)


def test_many_texts_are_encoded_as_each_alone(folder):
    _write_weights(folder)
    pretrained = PretrainedText(folder)
    encode = tf.function(lambda ids: encode_frozen(ids, pretrained), reduce_retracing=True)
    generator = np.random.default_rng(1)
    lengths = generator.integers(0, 7, 70)
    ids = np.where(np.arange(6) < lengths[:, None], generator.integers(1, 5, (70, 6)), 0)
    together = encode(tf.constant(ids, tf.int64)).numpy()
    alone = [encode(tf.constant(row[None], tf.int64)).numpy()[0] for row in ids[:12]]
    np.testing.assert_allclose(together[:12], alone, atol=1e-5)
    assert not together[lengths == 0].any()
    assert encode(tf.zeros([0, 6], tf.int64)).shape == (0, 8)
