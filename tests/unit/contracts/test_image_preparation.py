"""Numpy prepares images as the graph does: to the last bit where nothing is resized."""

import io
from functools import cache
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from contracts.errors import DataError
from contracts.preparation import Preparation, RowPreparation
from contracts.preparations.images import decode_image
from models.features.image import ImageSpec
from models.features.pixels import PixelForm, decode_images
from tests.fixtures.pictures import (
    CASES,
    COLOUR,
    GRAY,
    behind_marker,
    bomb,
    encoded,
    on_screen,
)

# Between levels of 0 to 255, in float32 and another order of summation.
TOLERANCE = 1e-3


def _prepared(contents: list[bytes], spec: ImageSpec) -> np.ndarray:
    fields = {"column": "photo", "raw": "string", **spec.preparation("photo", None)}
    column = np.array([*contents, None], object)[:-1]
    prepare = RowPreparation(Preparation.model_validate({"features": [fields]}))
    return prepare({"photo": column})["photo"]


def _in_graph(contents: list[bytes], spec: ImageSpec) -> np.ndarray:
    form = PixelForm(*spec.shape, spec.fit, spec.max_pixels)
    return _decoder(form)(tf.constant(contents, tf.string)).numpy() / 255.0


@cache
def _decoder(form: PixelForm) -> Any:
    return tf.function(
        lambda column: decode_images(column, form),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


def _odd_images() -> list[bytes]:
    generator = np.random.default_rng(3)
    images = [b""]
    for height, width in ((1, 1), (1, 90), (17, 5), (64, 64), (131, 77), (20, 30)):
        pixels = generator.integers(0, 256, [height, width, 3], np.uint8)
        images += [encoded(pixels, "PNG"), encoded(pixels[..., 0], "PNG"), encoded(pixels, "JPEG")]
        images.append(encoded(pixels, "PNG", "RGBA"))
    exif = Image.Exif()
    for orientation in (3, 6, 8, 9):
        exif[0x0112] = orientation
        images.append(encoded(COLOUR, "JPEG", exif=exif.tobytes()))
    images.append(encoded(COLOUR, "JPEG", exif=exif.tobytes()[:15]))
    images.append(behind_marker(images[-1]))
    gif = encoded(COLOUR, "GIF", "P", transparency=3)
    images += [gif, on_screen(gif, 40, 28), on_screen(gif, 10, 10), encoded(GRAY, "GIF")]
    return [*images, *(encoded(COLOUR, form, mode) for form, mode in CASES)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_numpy_prepares_odd_images_as_the_graph_does(channels: int, fit: str) -> None:
    spec = ImageSpec(height=24, width=31, channels=channels, fit=fit)
    contents = _odd_images()
    difference = np.abs(_prepared(contents, spec) - _in_graph(contents, spec)) * 255
    worst = int(difference.reshape(len(contents), -1).max(axis=1).argmax())
    assert difference.max() < TOLERANCE, f"image {worst}"


def test_what_is_not_resized_is_equal_to_the_last_bit() -> None:
    spec = ImageSpec(height=20, width=30, channels=3)
    contents = [encoded(COLOUR, form, mode) for form, mode in CASES]
    np.testing.assert_array_equal(_prepared(contents, spec), _in_graph(contents, spec))


def test_gray_of_sixteen_bits_keeps_its_upper_byte() -> None:
    deep = (GRAY.astype(np.uint16) << 8) + 77
    file = io.BytesIO()
    Image.fromarray(deep).save(file, "PNG")
    spec = ImageSpec(height=20, width=30, channels=1)
    np.testing.assert_array_equal(_prepared([file.getvalue()], spec)[0, :, :, 0] * 255, GRAY)
    np.testing.assert_array_equal(
        _prepared([file.getvalue()], spec), _in_graph([file.getvalue()], spec)
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (bomb(60_000, 60_000), "60,000 x 60,000 pixels"),
        (encoded(COLOUR, "PNG")[:200], "cannot be decoded"),
        (encoded(COLOUR, "JPEG")[:500], "cannot be decoded"),
        (b"no image", "holds no image"),
        (bomb(0, 5), "0 x 5 pixels"),
        (encoded(COLOUR, "BMP", "1"), "holds no image"),
    ],
)
def test_what_cannot_be_decoded_is_refused_by_the_name_of_its_column(content, what) -> None:
    with pytest.raises(DataError, match=what) as caught:
        _prepared([content], ImageSpec(height=20, width=30))
    assert "photo" in caught.value.what


def test_an_image_that_pillow_takes_for_an_attack_is_refused() -> None:
    spec = ImageSpec(height=20, width=30, max_pixels=1 << 40)
    started = bomb(60_000, 60_000) + b"\0\0\0\x04IDAT" + bytes(8)
    with pytest.raises(DataError, match="cannot be decoded") as caught:
        _prepared([started], spec)
    assert "decompression bomb" in str(caught.value.received)


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


def test_a_png_that_is_not_what_was_written_is_refused_as_by_the_graph() -> None:
    whole = encoded(COLOUR, "PNG")
    cut_short = [whole[:-cut] for cut in (1, 11, 12, 20, 200)]
    for content in (*cut_short, flipped(whole, -2), flipped(whole, -20), flipped(whole, 200)):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode_images(tf.constant([content]), PixelForm(20, 30, 3, "pad", 1000))
        with pytest.raises(DataError, match="cannot be decoded"):
            decode_image(content, "photo", 1000)
