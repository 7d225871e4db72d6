import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from pydantic import TypeAdapter, ValidationError

from models.data.dataset import ordered_batches, split_of, train_batches
from models.encoders.images.augment import Augmenter, AugmentSpec
from models.encoders.images.spec import ImageEncoderSpec
from models.features.image import ImageSpec
from models.networks import build_network
from models.networks.mlp import MlpSpec
from models.tasks import find_task
from models.training.augmentation import Augmentation
from models.training.config import TrainingSpec
from models.training.fitting import compile_model, fit

PIXELS = np.random.default_rng(0).random([6, 9, 12, 3], np.float32)
SMALL = ({"kind": "cnn", "filters": [4, 8]}, {"kind": "residual", "filters": [4, 8], "blocks": 1})


def network(encoder, keras_module=keras, **keys):
    spec = ImageSpec.model_validate({"height": 9, "width": 12, "encoder": encoder, **keys})
    port = spec.value_port("photo", None)
    output = find_task("multiclass").output(3, np.zeros(1, np.int64))
    return build_network(MlpSpec(units=(4,)), [port], output, keras_module), port, output


@pytest.mark.parametrize("encoder", SMALL, ids=lambda encoder: encoder["kind"])
def test_an_encoder_is_the_same_under_both_keras(encoder) -> None:
    ours, _, _ = network(encoder)
    theirs, _, _ = network(encoder, tf_keras)
    theirs.set_weights(ours.get_weights())
    expected = ours({"photo": PIXELS}, training=False)
    np.testing.assert_allclose(theirs({"photo": PIXELS}, training=False), expected, atol=1e-5)
    assert not any(isinstance(layer, keras.Model) for layer in ours.layers)


@pytest.mark.parametrize("encoder", SMALL, ids=lambda encoder: encoder["kind"])
def test_after_tens_of_steps_images_are_normalised_as_in_training(encoder) -> None:
    built, _, _ = network(encoder)
    encode = keras.Model(built.inputs, built.get_layer("photo_image_pool").output)
    for _ in range(60):
        learned = encode({"photo": PIXELS}, training=True)
    np.testing.assert_allclose(encode({"photo": PIXELS}, training=False), learned, atol=0.1)


def test_an_image_may_be_smaller_than_the_stages_would_have_it() -> None:
    spec = ImageSpec(height=3, width=2, channels=1)
    port = spec.value_port("photo", None)
    output = find_task("binary").output(2, np.zeros(1, np.int64))
    built = build_network(MlpSpec(units=(4,)), [port], output, keras)
    assert built({"photo": np.zeros([2, 3, 2, 1], np.float32)}).shape == (2, 1)


def test_a_small_network_is_the_default_and_an_unknown_kind_is_refused() -> None:
    adapter = TypeAdapter(ImageEncoderSpec)
    assert adapter.validate_python({"filters": [8]}).kind == "cnn"
    with pytest.raises(ValidationError, match="residual"):
        adapter.validate_python({"kind": "vit"})


def test_baseline_models_see_a_small_gray_copy() -> None:
    port = ImageSpec(height=28, width=28, channels=1).value_port("photo", None)
    assert port.size == 14 * 14
    pixels = np.zeros([2, 28, 28, 1], np.float32)
    pixels[1, :2, :2] = 1.0
    numbers = port.encoding.to_numbers(pixels)
    assert numbers.shape == (2, 196)
    assert numbers[1].tolist() == [1.0] + [0.0] * 195
    symmetric = ImageSpec(height=28, width=28, scale="symmetric").value_port("photo", None)
    dark = symmetric.encoding.to_numbers(np.full([1, 28, 28, 3], -1.0, np.float32))
    np.testing.assert_allclose(dark, 0.0, atol=1e-6)


ALL = {
    "flip": "both", "rotation": 20, "zoom": 0.2, "shift": 0.1, "crop": 0.2, "brightness": 0.2,
    "contrast": 0.2, "saturation": 0.2, "erase": 0.5,
}  # fmt: skip


def test_augmentation_changes_pixels_within_their_range_and_keeps_their_shape() -> None:
    keras.utils.set_random_seed(1)
    augmenter = Augmenter(AugmentSpec.model_validate(ALL), (9, 12, 3), (-1.0, 1.0))
    changed = augmenter(tf.constant(PIXELS * 2 - 1)).numpy()
    assert changed.shape == PIXELS.shape
    assert np.abs(changed - (PIXELS * 2 - 1)).max() > 0.1
    assert changed.min() >= -1.0
    assert changed.max() <= 1.0


def test_augmentation_is_no_part_of_the_network() -> None:
    plain, _, _ = network(SMALL[0])
    changed, port, _ = network(SMALL[0], augment=ALL)
    assert [type(a) for a in plain.layers] == [type(b) for b in changed.layers]
    assert len(plain.variables) == len(changed.variables)
    assert port.encoding.augment is not None


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_share_of_a_mixture_is_that_of_its_own_image(kind: str) -> None:
    keras.utils.set_random_seed(2)
    augmenter = Augmenter(AugmentSpec.model_validate({kind: 1.0}), (20, 20, 1), (0.0, 1.0))
    own = np.zeros([64, 20, 20, 1], np.float32)
    own[::2] = 1.0
    mixed, share = augmenter.mix(tf.constant(own))
    expected = np.where(np.arange(64) % 2 == 0, share, 1 - share)
    np.testing.assert_allclose(mixed.numpy().mean(axis=(1, 2, 3)), expected, atol=1e-5)
    assert 0.5 < float(tf.reduce_min(share)) < float(tf.reduce_max(share)) <= 1.0


def test_rows_that_a_teacher_answered_for_are_changed_but_not_mixed() -> None:
    augment = {"brightness": 0.5, "mixup": 1.0}
    port = ImageSpec(height=9, width=12, augment=augment).value_port("photo", None)
    assert Augmentation([port]).mixes
    augmentation = Augmentation([port], mixing=False)
    changed, share = augmentation({"photo": tf.constant(PIXELS)})
    assert not augmentation.mixes
    assert share is None
    assert np.abs(changed["photo"].numpy() - PIXELS).max() > 0.01


def test_only_one_mixture_can_be_chosen() -> None:
    with pytest.raises(ValidationError, match="choose one"):
        AugmentSpec(mixup=0.2, cutmix=1.0)


def test_a_network_learns_from_augmented_and_mixed_images() -> None:
    keras.utils.set_random_seed(3)
    built, port, output = network(SMALL[0], augment={"flip": "horizontal", "mixup": 0.2})
    labels = np.arange(96, dtype=np.int64) % 3
    pixels = np.zeros([96, 9, 12, 3], np.float32)
    pixels[np.arange(96), :, :, labels] = 1.0
    split = split_of("train", {"photo": pixels, "y": labels}, "y")
    spec = TrainingSpec.model_validate(
        {"epochs": 12, "batch_size": 16, "optimizer": {"learning_rate": 0.02}}
    )
    model = compile_model(built, output, spec, 6, split.features, augmentation=Augmentation([port]))
    batches = train_batches(split, 16, 0, packed=True)
    fit(model, batches, ordered_batches(split, packed=True), spec, None)
    predicted = built.predict({"photo": pixels}, verbose=0).argmax(axis=1)
    assert (predicted == labels).mean() == 1.0
