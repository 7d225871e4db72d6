"""Encoders of images that start from other weights."""

import hashlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tf_keras
from pydantic import ValidationError

from contracts.errors import ConfigError, ModelError
from models.compression.techniques.distillation import student_inputs
from models.data.dataset import ordered_batches, split_of, train_batches
from models.features.image import ImageSpec
from models.networks import build_network
from models.networks.mlp import MlpSpec
from models.tasks import find_task
from models.training.config import TrainingSpec
from models.training.fine_tuning import FineTuning
from models.training.fitting import compile_model, fit

CNN = {"kind": "cnn", "filters": [4, 8]}
MOBILE = {"backbone": "mobilenet_v3_small"}
PIXELS = np.random.default_rng(0).random([32, 8, 8, 1], np.float32)
LABELS = np.arange(32, dtype=np.int64) % 3


def image(encoder, side=8, channels=1, **keys):
    keys = {"height": side, "width": side, "channels": channels, "encoder": encoder, **keys}
    return ImageSpec.model_validate(keys)


def network(spec, name="photo", keras_module=keras):
    port = spec.value_port(name, None)
    output = find_task("multiclass").output(3, LABELS)
    return build_network(MlpSpec(units=(4,)), [port], output, keras_module), port, output


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network that a run has left, and its file."""
    keras.utils.set_random_seed(1)
    built, _, _ = network(image(CNN), "scan")
    norm = built.get_layer("scan_image_stage_0_conv_0_norm")
    norm.set_weights([np.full(4, value, np.float32) for value in (1.5, 0.2, 0.4, 2.0)])
    path = str(tmp_path_factory.mktemp("run") / "network.keras")
    built.save(path)
    return built, path


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Weights as keras.applications publishes them, and the network that has them."""
    keras.utils.set_random_seed(2)
    model = keras.applications.MobileNetV3Small(include_top=False, weights=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            offset, width = np.full(layer.gamma.shape, 0.3), layer.gamma.shape
            layer.set_weights([np.ones(width), offset, np.zeros(width), np.full(width, 0.1)])
    path = str(tmp_path_factory.mktemp("published") / "mobile.weights.h5")
    model.save_weights(path)
    return model, path


def values(built, prefix):
    layers = [layer for layer in built.layers if layer.name.startswith(prefix)]
    return [value for layer in layers for value in layer.get_weights()]


def learn(encoder, epochs, optimizer=None):
    """Fits for some epochs of two steps; gives the network before and after."""
    keras.utils.set_random_seed(3)
    built, port, output = network(image(encoder))
    settings = {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.1, **(optimizer or {})}
    keys = {"epochs": epochs, "batch_size": 16, "early_stopping": None, "optimizer": settings,
            "schedule": {"kind": "constant"}}  # fmt: skip
    spec = TrainingSpec.model_validate(keys)
    split = split_of("train", {"photo": PIXELS, "y": LABELS}, "y")
    tuning = FineTuning(built, [port], 2)
    before = values(built, "photo_image"), values(built, "block_0")
    model = compile_model(built, output, spec, 2, split.features, tuning=tuning)
    fit(model, train_batches(split, 16, 0, packed=True), ordered_batches(split, packed=True), spec,
        None)  # fmt: skip
    return before, (values(built, "photo_image"), values(built, "block_0"))


def test_layers_start_from_a_run_whose_feature_has_another_name(saved) -> None:
    other, path = saved
    (encoder, _), _ = learn({**CNN, "weights": path}, 1)
    for ours, theirs in zip(encoder, values(other, "scan_image"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("optimizer", [{}, {"accumulate": 2}], ids=str)
def test_layers_with_weights_are_frozen_first(saved, optimizer) -> None:
    before, after = learn({**CNN, "weights": saved[1], "frozen_epochs": 2}, 2, optimizer)
    for first, last in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(first, last)
    assert any(not np.array_equal(a, b) for a, b in zip(before[1], after[1], strict=True))


def test_then_they_learn_at_a_rate_of_their_own_and_keep_their_statistics(saved) -> None:
    moved = {}
    for rate in (0.01, 1.0):
        encoder = {**CNN, "weights": saved[1], "frozen_epochs": 1, "fine_tune_rate": rate}
        before, after = learn(encoder, 2)
        kernels = [(a, b) for a, b in zip(before[0], after[0], strict=True) if a.ndim == 4]
        moved[rate] = max(np.abs(a - b).max() for a, b in kernels)
        statistics = [(a, b) for a, b in zip(before[0], after[0], strict=True) if a.ndim == 1]
        assert all(np.array_equal(a, b) for a, b in statistics)
    assert 0 < moved[0.01] < 0.05 * moved[1.0]


def test_the_digest_of_the_weights_is_part_of_the_config(saved, tmp_path) -> None:
    content = tmp_path / "network.keras"
    content.write_bytes(Path(saved[1]).read_bytes())
    spec = image({**CNN, "weights": str(content)})
    assert spec.encoder.sha256 == hashlib.sha256(content.read_bytes()).hexdigest()
    built, port, _ = network(spec)
    content.write_bytes(b"other")
    with pytest.raises(ModelError, match="changed since the run began"):
        FineTuning(built, [port], 1)


def test_weights_of_an_encoder_of_another_form_are_refused(saved) -> None:
    built, port, _ = network(image({"kind": "cnn", "filters": [4, 6], "weights": saved[1]}))
    with pytest.raises(ModelError, match="do not fit the encoder") as caught:
        FineTuning(built, [port], 1)
    assert "photo_image_stage_1_conv_0" in caught.value.where


def test_a_file_that_is_absent_is_named() -> None:
    with pytest.raises(ConfigError, match=r"there is no file of weights lost\.keras"):
        image({**CNN, "weights": "lost.keras"})


def test_without_a_network_the_file_to_bring_is_named(monkeypatch, tmp_path) -> None:
    def refuse(name, *_, **__):
        raise Exception(f"URL fetch failure on {name}: no network")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be downloaded") as caught:
        image({**MOBILE, "weights": "imagenet"}, side=32, channels=3)
    name = "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"
    assert str(tmp_path / "models" / name) in caught.value.expected
    assert f"applications/mobilenet_v3/{name}" in caught.value.fix


def test_imagenet_is_of_backbones_alone() -> None:
    with pytest.raises(ConfigError, match="no file of weights imagenet"):
        image({**CNN, "weights": "imagenet"})


def test_a_backbone_starts_from_published_weights_and_sees_what_they_expect(published) -> None:
    model, path = published
    built, port, _ = network(image({**MOBILE, "weights": path}, side=32, channels=3))
    FineTuning(built, [port], 1)
    pixels = np.random.default_rng(1).random([2, 32, 32, 3], np.float32)
    expected = np.asarray(model(pixels * 255)).mean(axis=(1, 2))
    encode = keras.Model(built.inputs, built.get_layer("photo_image_pool").output)
    assert expected.std() > 0.1
    np.testing.assert_allclose(encode({"photo": pixels}), expected, atol=1e-4)
    assert not any(isinstance(layer, keras.Model) for layer in built.layers)


def test_a_backbone_is_the_same_under_both_keras_and_takes_gray_images() -> None:
    spec = image(MOBILE, side=32)
    ours, _, _ = network(spec)
    theirs, _, _ = network(spec, keras_module=tf_keras)
    for built in (ours, theirs):
        momenta = {
            layer.momentum
            for layer in built.layers
            if layer.name.startswith("photo") and "BatchNormalization" in type(layer).__name__
        }
        assert momenta == {0.9}  # Keras's 0.999 needs thousands of steps
    theirs.set_weights(ours.get_weights())
    pixels = np.random.default_rng(1).random([2, 32, 32, 1], np.float32)
    expected = ours({"photo": pixels}, training=False)
    np.testing.assert_allclose(theirs({"photo": pixels}, training=False), expected, atol=1e-5)


def test_images_too_small_for_a_backbone_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least 32 x 32 pixels"):
        image(MOBILE, side=28)


@pytest.mark.parametrize("encoder", [CNN, {"kind": "residual", "filters": [4, 8]}], ids=str)
def test_a_student_has_a_narrower_encoder(encoder) -> None:
    _, port, output = network(image(encoder))
    student = build_network(MlpSpec(units=(4,)), student_inputs([port], 0.5), output, keras)
    assert student.get_layer("photo_image_pool").output.shape == (None, 4)


def test_the_student_of_a_backbone_is_a_small_network(saved) -> None:
    spec = image(MOBILE, side=32)
    assert spec.encoder.student(0.5).filters == (16, 32, 64, 128)
    assert image({**CNN, "weights": saved[1]}).encoder.student(0.5).pretrained("photo") is None
