import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from models.features.pixels import PixelForm, decode_images, gif_frame
from tests.fixtures.pictures import (
    CASES,
    COLOUR,
    GRAY,
    behind_comments,
    behind_marker,
    bomb,
    encoded,
    on_screen,
)


def form(**changes: Any) -> PixelForm:
    fields = {"height": 20, "width": 30, "channels": 3, "fit": "pad", "max_pixels": 1 << 20}
    return PixelForm(**{**fields, **changes})


@cache
def decoder(wanted: PixelForm) -> Any:
    return tf.function(
        lambda column: decode_images(column, wanted),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


def decoded(contents: Sequence[bytes], wanted: PixelForm) -> np.ndarray:
    return decoder(wanted)(tf.constant(list(contents), tf.string)).numpy()


def test_every_format_and_mode_is_decoded_as_pillow_decodes_it() -> None:
    contents = [encoded(COLOUR, image_format, mode) for image_format, mode in CASES]
    pixels = decoded(contents, form())
    for content, image, case in zip(contents, pixels, CASES, strict=True):
        expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.float32)
        np.testing.assert_array_equal(image, expected, err_msg=str(case))


def test_gray_is_wanted_of_gray_and_of_colour() -> None:
    pixels = decoded([encoded(GRAY, "PNG"), encoded(COLOUR, "PNG")], form(channels=1))
    np.testing.assert_array_equal(pixels[0, :, :, 0], GRAY)
    expected = COLOUR.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    np.testing.assert_allclose(pixels[1, :, :, 0], expected, atol=1e-4)


def test_an_absent_image_is_black_and_an_empty_batch_is_empty() -> None:
    assert decoded([b""], form()).max() == 0
    assert decoded([], form()).shape == (0, 20, 30, 3)


def test_the_camera_was_held_as_exif_says() -> None:
    contents, upright = [], []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(COLOUR, "JPEG", exif=exif.tobytes())
        contents.append(content)
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        upright.append(encoded(np.asarray(image), "PNG"))
    np.testing.assert_array_equal(decoded(contents, form()), decoded(upright, form()))


@pytest.mark.parametrize("cut", [3, 30, 100])
def test_a_broken_exif_header_is_upright(cut: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    broken = exif.tobytes()[: 6 + cut % 9] + b"\xff" * cut
    content, plain = encoded(COLOUR, "JPEG", exif=broken), encoded(COLOUR, "JPEG")
    np.testing.assert_array_equal(decoded([content], form()), decoded([plain], form()))


def test_the_aspect_is_kept_by_cropping_or_by_black_bars() -> None:
    white = np.full([40, 20], 255, np.uint8)
    padded = decoded([encoded(white, "PNG")], form(height=20, width=20, channels=1))[0, :, :, 0]
    assert (padded[:, 5:15] > 254.9).all()
    assert (padded[:, :5] == 0).all()
    assert (padded[:, 15:] == 0).all()
    cropped = decoded([encoded(white, "PNG")], form(height=20, width=20, channels=1, fit="crop"))
    assert (cropped > 254.9).all()
    half = white.copy()
    half[:10], half[30:] = 0, 0
    kept = decoded([encoded(half, "PNG")], form(height=20, width=20, channels=1, fit="crop"))
    assert (kept > 254.9).all()  # what is above and below was cut


@pytest.mark.parametrize(
    "content",
    [
        bomb(60_000, 60_000),
        bomb(2**31 - 1, 2**31 - 1),
        encoded(COLOUR, "PNG")[:200],
        encoded(COLOUR, "JPEG")[:200],
        encoded(COLOUR, "BMP", "1"),
        behind_comments(encoded(COLOUR, "JPEG"), 1100),
        b"no image",
        b"\xff\xd8",
    ],
)
def test_what_cannot_be_decoded_ends_the_call(content: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded([content], form())


def test_an_image_of_too_many_pixels_is_not_decoded() -> None:
    contents = [encoded(COLOUR, image_format) for image_format in ("PNG", "JPEG", "BMP", "GIF")]
    # What the header shows first is not what is decoded.
    contents += [on_screen(contents[-1], 1, 1), behind_marker(contents[1])]
    for content in contents:
        decoded([content], form(max_pixels=600))
        with pytest.raises(tf.errors.InvalidArgumentError):
            decoded([content], form(max_pixels=599))


def test_of_a_gif_the_first_frame_alone_is_decoded() -> None:
    frames = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], comment=b"x" * 700)
    content = file.getvalue()
    height, width, end = gif_frame(tf.io.decode_raw(content, tf.uint8))
    alone = content[: int(end)] + b";"
    assert (int(height), int(width)) == GRAY.shape
    assert Image.open(io.BytesIO(content)).n_frames == 2
    assert Image.open(io.BytesIO(alone)).n_frames == 1
    np.testing.assert_array_equal(decoded([content], form()), decoded([alone], form()))


def test_a_jpeg_may_have_many_segments() -> None:
    jpeg = encoded(COLOUR, "JPEG")
    pixels = decoded([jpeg, behind_comments(jpeg, 300), behind_marker(jpeg)], form())
    np.testing.assert_array_equal(pixels[1:], np.stack([pixels[0]] * 2))
