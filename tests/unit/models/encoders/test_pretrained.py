"""A pretrained encoder's folder: what it must hold, and what the config may say beside it."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from contracts.errors import DataError
from models.compression.techniques.distillation import student_inputs
from models.encoders.pretrained import copy_weights
from models.encoders.texts import BertSpec
from models.encoders.texts.bert import PretrainedText
from models.encoders.texts.bert_layers import bert_states, bert_weights
from models.features.layers import register_layers
from models.features.text import TextSpec
from models.features.texts.pretrained import encode_frozen
from models.networks import build_network
from models.networks.mlp import MlpSpec
from models.tasks import find_task
from models.training.config import ScheduleSpec, TrainingSpec
from models.training.fine_tuning import FineTuning
from models.training.fitting import compile_model, fit
from tests.fixtures.tiny_bert import CONFIG, TOKENS, write_bert

LENGTH = 6
LABELS = np.arange(32, dtype=np.int64) % 2
FILES = {"pretrained": "pretrained", "encoder": "encoder.weights"}


@pytest.fixture
def folder(tmp_path):
    return write_bert(tmp_path / "bert")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder, for tests that leave it as it is."""
    return write_bert(tmp_path_factory.mktemp("shared"))


def frozen(folder, **keys):
    return TextSpec(pretrained=folder, length=LENGTH, **keys)


def tuned(folder, **keys):
    keys = {"kind": "bert", "weights": str(folder), **keys}
    return TextSpec.model_validate({"length": LENGTH, "encoder": keys})


def ids_of(rows, seed=1):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, LENGTH + 1, rows)
    return np.where(np.arange(LENGTH) < lengths[:, None], generator.integers(1, 5, (rows, 6)), 0)


def network(spec, keras_module=keras, name="review"):
    learned = SimpleNamespace(lines=lambda asset: [token.encode() for token in TOKENS])
    port = spec.value_port(name, learned)
    output = find_task("binary").output(2, LABELS)
    return build_network(MlpSpec(units=(4,)), [port], output, keras_module), port, output


def test_the_digest_of_the_files_is_part_of_the_spec(folder):
    spec = frozen(folder)
    assert TextSpec.model_validate_json(spec.model_dump_json()) == spec
    again = tuned(folder)
    assert again.encoder.sha256 == spec.sha256
    # A config that has the digest is read where the files are not.
    (folder / "config.json").unlink()
    assert TextSpec.model_validate_json(again.model_dump_json()) == again
    write_bert(folder)
    (folder / "model.safetensors").write_bytes(b"others")
    assert frozen(folder).sha256 != spec.sha256
    assert tuned(folder).encoder.sha256 == frozen(folder).sha256
    assert not spec.is_prepared
    assert "TFLite and ONNX variants" in spec.not_offered()
    assert again.is_prepared


@pytest.mark.parametrize(("read", "key"), [(frozen, "pretrained"), (tuned, "encoder.weights")])
def test_an_absent_file_is_named_with_the_folder_where_it_belongs(folder, read, key):
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"lacks model\.safetensors") as caught:
        read(folder)
    assert caught.value.where == f"{key}: {folder}"
    with pytest.raises(DataError) as caught:
        read(folder / "nowhere")
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
        frozen(folder)
    assert re.search(reported, caught.value.received)


def test_keys_that_the_encoder_decides_are_refused(shared):
    with pytest.raises(ValidationError, match="pretrained decides lowercase"):
        frozen(shared, lowercase=False)
    with pytest.raises(ValidationError, match="pretrained decides encoder"):
        frozen(shared, encoder=tuned(shared).encoder)
    with pytest.raises(ValidationError, match=r"encoder\.weights decides tokenizer"):
        TextSpec(encoder=tuned(shared).encoder, tokenizer="wordpiece")
    with pytest.raises(ValidationError, match="reads words in order"):
        TextSpec(ngrams=2, encoder={"kind": "gru"})
    with pytest.raises(ValidationError, match="Invalid pretrained_layers"):
        TextSpec(pretrained_layers=1)


@pytest.mark.parametrize(
    ("read", "where"),
    [
        (lambda folder: frozen(folder, pretrained_layers=3), "pretrained_layers"),
        (lambda folder: tuned(folder, layers=3), "encoder.layers"),
    ],
)
def test_more_layers_than_there_are_cannot_be_read(shared, read, where):
    with pytest.raises(DataError, match="fewer layers") as caught:
        read(shared)
    assert (caught.value.where, caught.value.expected) == (where, "at most 2")


def test_more_tokens_than_there_are_places_cannot_be_read(shared):
    with pytest.raises(DataError, match="shorter texts") as caught:
        TextSpec(pretrained=shared, length=17)
    assert (caught.value.where, caught.value.expected) == ("length", "at most 16")


def _states(folder, layers=None):
    pretrained = PretrainedText(folder, layers)
    entry = keras.Input([LENGTH], dtype="int32")
    model = keras.Model(entry, bert_states(pretrained, LENGTH, entry, "x", keras))
    copy_weights(bert_weights(pretrained, LENGTH), "weights", "x", model)
    return model


def test_fewer_layers_give_the_states_of_a_middle_one(shared):
    first, whole = _states(shared, 1), _states(shared)
    middle = keras.Model(whole.input, whole.get_layer("x_block_0_norm").output)
    ids = np.array([[2, 4, 3, 0, 0, 0]])
    np.testing.assert_allclose(first(ids), middle(ids), atol=1e-6)
    assert np.abs(first(ids) - whole(ids)).max() > 0.1


def test_a_file_without_some_weights_is_refused(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.bias")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(DataError, match=r"layer\.1\.output\.dense\.bias"):
        bert_weights(PretrainedText(folder), LENGTH)


def test_many_texts_are_encoded_as_each_alone_and_as_in_the_network(shared):
    pretrained = PretrainedText(shared)
    encode = tf.function(lambda ids: encode_frozen(ids, pretrained), reduce_retracing=True)
    ids = ids_of(70)
    together = encode(tf.constant(ids, tf.int64)).numpy()
    alone = [encode(tf.constant(row[None], tf.int64)).numpy()[0] for row in ids[:12]]
    np.testing.assert_allclose(together[:12], alone, atol=1e-5)
    assert not together[(ids == 0).all(axis=1)].any()
    assert encode(tf.zeros([0, LENGTH], tf.int64)).shape == (0, 8)

    built, port, _ = network(tuned(shared))
    port.encoding.pretrained.start(built)
    encoded = keras.Model(built.input, built.get_layer("features").output)({"review": ids})
    np.testing.assert_allclose(encoded, together, atol=1e-5)
    other, _, _ = network(tuned(shared), tf_keras)
    other.set_weights(built.get_weights())
    np.testing.assert_allclose(other({"review": ids}), built({"review": ids}), atol=1e-5)


def _fitted(spec, epochs, folder):
    """A network before and after a fit: its weights by path."""
    keras.utils.set_random_seed(1)
    built, port, output = network(spec)
    schedule = ScheduleSpec(kind="constant")
    training = TrainingSpec(epochs=epochs, batch_size=16, early_stopping=None, schedule=schedule)
    model = compile_model(built, output, training, 2, tuning=FineTuning(built, [port], 2))
    before = {weight.path: weight.numpy() for weight in built.weights}
    rows = tf.data.Dataset.from_tensor_slices(({"review": ids_of(32)}, LABELS)).batch(16)
    fit(model, rows, rows, training, folder)
    moved = {
        weight.path: float(np.abs(weight.numpy() - before[weight.path]).max())
        for weight in built.weights
    }
    return built, moved


def test_the_last_layers_are_tuned_at_a_rate_of_their_own_and_the_others_stay(shared, tmp_path):
    built, moved = _fitted(tuned(shared, trainable_layers=1, fine_tune_rate=0.01), 2, tmp_path)
    kernels = {path: step for path, step in moved.items() if path.endswith("kernel")}
    tuned_steps = [step for path, step in kernels.items() if "_text_block_1_" in path]
    others = [step for path, step in kernels.items() if "_text_" not in path]
    assert 0 < max(tuned_steps) < 0.05 * max(others)
    kept = [path for path in moved if "_text_" in path and "_block_1_" not in path]
    assert {path.partition("/")[0] for path in kept} >= {
        "review_text_words", "review_text_places", "review_text_norm", "review_text_block_0_query"
    }  # fmt: skip
    assert not any(moved[path] for path in kept)
    # What is served is built anew, and gets the weights in their order.
    register_layers()
    built.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras", compile=False)
    served, _, _ = network(tuned(shared))
    served.set_weights(built.get_weights())
    for model in (loaded, served):
        rows = {"review": ids_of(9)}
        np.testing.assert_allclose(model(rows), built(rows), atol=1e-6)


@pytest.mark.parametrize("keys", [{"trainable_layers": 0}, {"frozen_epochs": 1}])
def test_a_frozen_encoder_stays_as_it_is(shared, tmp_path, keys):
    _, moved = _fitted(tuned(shared, **keys), 1, tmp_path)
    assert not any(step for path, step in moved.items() if "_text_" in path)
    assert max(moved.values()) > 0


def test_other_files_than_the_config_was_read_with_are_refused(folder):
    spec = tuned(folder)
    built, port, _ = network(spec)
    (folder / "vocab.txt").write_text("\n".join([*TOKENS[:4], "bad"]) + "\n")
    with pytest.raises(DataError, match="changed since the run began"):
        port.encoding.pretrained.start(built)


def test_a_student_averages_the_same_tokens(shared):
    spec = tuned(shared)
    assert isinstance(spec.encoder, BertSpec)
    _, port, output = network(spec)
    (student,) = student_inputs([port], 0.25)
    assert student.encoding.pretrained is None
    built = build_network(MlpSpec(units=(4,)), [student], output, keras)
    assert built.get_layer("features").output.shape == (None, 16)
