"""Encoded images to pixels by TensorFlow's core operations: the graph loads in any server.

An image with more pixels than allowed is never decoded: its size is read from its header. One
that cannot be decoded ends the call; an absent one is all zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import tensorflow as tf

from contracts.images import BMP_BITS, BMP_COMPRESSIONS, BMP_HEADER, GRAY_WEIGHTS, MOST_BLOCKS

_PNG = b"\x89PNG"
_ORIENTATION = 0x0112
_EXIF = tuple(b"Exif\x00\x00")


@dataclass(frozen=True)
class PixelForm:
    """What becomes of every image.

    Attributes:
      height: Rows of pixels.
      width: Columns of pixels.
      channels: 1 for gray, 3 for colour.
      fit: Whether what exceeds the form is cropped, or the rest of the form is black.
      max_pixels: How many pixels an encoded image may have.
    """

    height: int
    width: int
    channels: int
    fit: Literal["crop", "pad"]
    max_pixels: int


def decode_images(contents: tf.Tensor, form: PixelForm) -> tf.Tensor:
    """Decodes images.

    Args:
      contents: `[batch]`: PNG, JPEG, BMP or GIF, of which the first frame counts; empty where
        the image is absent.
      form: Size and channels.

    Returns:
      float32 `[batch, height, width, channels]` from 0 to 255.
    """
    shape = (form.height, form.width, form.channels)

    def pixels(content: tf.Tensor) -> tf.Tensor:
        absent = tf.equal(tf.strings.length(content), 0)
        return tf.cond(absent, lambda: tf.zeros(shape), lambda: _pixels(content, form))

    decoded = tf.map_fn(pixels, contents, fn_output_signature=tf.TensorSpec(shape, tf.float32))
    return tf.ensure_shape(decoded, [None, *shape])


def _pixels(content: tf.Tensor, form: PixelForm) -> tf.Tensor:
    is_jpeg = tf.equal(tf.strings.substr(content, 0, 2), b"\xff\xd8")
    is_gif = tf.equal(tf.strings.substr(content, 0, 3), b"GIF")
    data = tf.io.decode_raw(content, tf.uint8)
    orientation, height, width, end = tf.case(
        [
            (is_jpeg, lambda: (*_jpeg_header(data), tf.size(data))),
            (is_gif, lambda: (tf.constant(1), *gif_frame(data))),
        ],
        lambda: (tf.constant(1), *_plain_size(content, data), tf.size(data)),
    )
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    # What is too large, or does not say how large it is, is refused as no image at all, before
    # memory is taken for it.
    allowed = (pixels > 0) & (pixels <= form.max_pixels)
    read = tf.strings.substr(content, 0, tf.where(allowed, end, 2))
    # The decoder complains of a GIF without its last byte.
    read = tf.cond(is_gif, lambda: tf.strings.join([read, b";"]), lambda: read)
    decoded = tf.cond(is_jpeg, lambda: _decode_jpeg(read), lambda: _decode_other(read, data))
    # Bytes are resized as they are: a large image in float32 would take four times the memory.
    return _to_channels(_resize(_upright(decoded, orientation), form), form)


def _decode_jpeg(content: tf.Tensor) -> tf.Tensor:
    # The accurate method is that of Pillow, to the last bit.
    return tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")


def _decode_other(content: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    """As many channels as the file has."""
    decoded = tf.io.decode_image(content, channels=0, expand_animations=False)
    image = tf.ensure_shape(decoded, [None, None, None])
    is_bmp = tf.equal(tf.strings.substr(content, 0, 2), b"BM")
    has_palette = is_bmp & tf.equal(_number(data, 28, 2, little=True), 8)
    return tf.cond(has_palette, lambda: _look_up_colours(image, data), lambda: image)


def _look_up_colours(image: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    """The colours of a BMP's pixels, which are places in its palette; gray of a gray palette."""
    places = tf.range(256)
    start = 14 + _number(data, 14, 4, little=True)
    known = _number(data, 46, 4, little=True)
    colours = _bytes(data, start + 4 * places, 3)[:, ::-1]
    colours = tf.where((places < tf.where(known > 0, known, 256))[:, None], colours, 0)
    palette = tf.cast(colours, tf.uint8)
    is_gray = tf.reduce_all(tf.equal(palette, palette[:, :1]))
    chosen = tf.cond(is_gray, lambda: palette[:, :1], lambda: palette)
    looked_up = tf.gather(chosen, tf.cast(image[..., 0], tf.int32))
    return tf.ensure_shape(looked_up, [None, None, None])


def _to_channels(image: tf.Tensor, form: PixelForm) -> tf.Tensor:
    """Gray or colour; what is transparent keeps its colour."""
    is_gray = tf.shape(image)[-1] < 3
    if form.channels == 3:
        converted = tf.cond(
            is_gray, lambda: tf.repeat(image[..., :1], 3, axis=-1), lambda: image[..., :3]
        )
    else:
        weights = tf.constant(GRAY_WEIGHTS)
        converted = tf.cond(
            is_gray,
            lambda: image[..., :1],
            lambda: tf.reduce_sum(image[..., :3] * weights, axis=-1, keepdims=True),
        )
    return tf.ensure_shape(converted, [form.height, form.width, form.channels])


def _resize(image: tf.Tensor, form: PixelForm) -> tf.Tensor:
    """Scales bilinearly, aspect kept, around the centre; a smaller image is smoothed first."""
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    target = tf.constant([form.height, form.width], tf.float32)
    ratios = target / size
    scale = tf.reduce_max(ratios) if form.fit == "crop" else tf.reduce_min(ratios)
    scales = tf.stack([scale, scale])
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=[form.height, form.width],
        scale=scales,
        translation=(target - size * scales) / 2.0,
        kernel_type="triangle",
        antialias=True,
    )
    return resized[0]


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes what EXIF says of how the camera was held."""

    def one_of(*values: int) -> tf.Tensor:
        return tf.reduce_any(tf.equal(orientation, list(values)))

    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    image = tf.cond(one_of(2, 3, 6, 7), lambda: image[:, ::-1], lambda: image)
    return tf.cond(one_of(3, 4, 7, 8), lambda: image[::-1], lambda: image)


def _plain_size(content: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width of a PNG or BMP; anything else has none, and is not decoded."""
    is_png = tf.equal(tf.strings.substr(content, 0, 4), _PNG)
    header, bits, compression = (
        _number(data, place, size, little=True) for place, size in ((14, 4), (28, 2), (30, 4))
    )
    is_bmp = (
        tf.equal(tf.strings.substr(content, 0, 2), b"BM")
        & (header >= BMP_HEADER)
        & tf.reduce_any(tf.equal(bits, BMP_BITS))
        & tf.reduce_any(tf.equal(compression, BMP_COMPRESSIONS))
    )
    png = (_number(data, 20, 4), _number(data, 16, 4))
    bmp = (tf.abs(_number(data, 22, 4, little=True)), _number(data, 18, 4, little=True))
    height, width = (
        tf.where(is_png, a, tf.where(is_bmp, b, 0)) for a, b in zip(png, bmp, strict=True)
    )
    return height, width


def gif_frame(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds a GIF's first frame: the decoder would take memory for all frames that it gets.

    Args:
      data: The bytes of the file.

    Returns:
      Height, width, and where the frame ends; 0, 0 where there is none.
    """

    def is_extension(place: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
        return tf.equal(_number(data, place, 1), ord("!")) & (left > 0)

    def skip(place: tf.Tensor, left: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _skip_blocks(data, place + 2, left - 1)

    start = 13 + _gif_colours(data, 10)
    place, left = tf.while_loop(is_extension, skip, (start, tf.constant(MOST_BLOCKS)))
    is_frame = tf.equal(_number(data, place, 1), ord(",")) & (left > 0)
    width, height = (
        tf.where(is_frame, _number(data, place + skipped, 2, little=True), 0) for skipped in (5, 7)
    )
    pixels = place + 11 + _gif_colours(data, place + 9)
    end, _ = _skip_blocks(data, pixels, tf.constant(MOST_BLOCKS))
    return height, width, tf.minimum(end, tf.size(data))


def _gif_colours(data: tf.Tensor, place: tf.Tensor | int) -> tf.Tensor:
    """How many bytes a table of colours has, by its flags."""
    flags = _number(data, place, 1)
    return tf.where(flags >= 0x80, tf.bitwise.left_shift(6, flags % 8), 0)


def _skip_blocks(data: tf.Tensor, place: tf.Tensor, left: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Goes to where the blocks of a GIF's extension or frame end; those of 255 bytes at once."""

    def has_more(place: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
        return (_number(data, place, 1) > 0) & (left > 0)

    def step(place: tf.Tensor, left: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        is_short = tf.concat([data[place::256] < 255, [True]], axis=0)
        after = place + 256 * tf.argmax(is_short, output_type=tf.int32)
        size = _number(data, after, 1)
        return after + tf.where(size > 0, 1 + size, 0), left - 1

    place, left = tf.while_loop(has_more, step, (place, left))
    return place + 1, left


def _jpeg_header(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Orientation, height and width, from the segments before the first scan."""
    size = tf.size(data)

    def has_more(place: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        marker = _number(data, place, 2)
        return (place + 9 < size) & (marker > 0xFF00) & tf.not_equal(marker, 0xFFDA)

    def step(
        place: tf.Tensor, orientation: tf.Tensor, height: tf.Tensor, width: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        marker = _number(data, place + 1, 1)
        is_table = tf.reduce_any(tf.equal(marker, [0xC4, 0xC8, 0xCC]))
        is_frame = (marker >= 0xC0) & (marker <= 0xCF) & ~is_table
        is_exif = tf.equal(marker, 0xE1) & tf.reduce_all(
            tf.equal(_bytes(data, place + 4, 6), tf.constant(_EXIF))
        )
        turned = tf.cond(is_exif, lambda: _orientation(data, place + 10), lambda: orientation)
        # Such markers have no length behind them.
        is_bare = tf.equal(marker, 0x01) | ((marker >= 0xD0) & (marker <= 0xD7))
        length = tf.where(is_bare, 0, _number(data, place + 2, 2))
        after = tf.where(tf.equal(marker, 0xFF), 1, 2 + length)
        return (
            place + after,
            turned,
            tf.where(is_frame, _number(data, place + 5, 2), height),
            tf.where(is_frame, _number(data, place + 7, 2), width),
        )

    start = (tf.constant(2), tf.constant(1), tf.constant(0), tf.constant(0))
    _, orientation, height, width = tf.while_loop(
        has_more, step, start, maximum_iterations=MOST_BLOCKS
    )
    return orientation, height, width


def _orientation(data: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """What the first directory of a TIFF header says; 1, upright, where it says nothing."""
    little = tf.equal(_number(data, start, 1), ord("I"))
    first = start + _number_of(data, start + 4, 4, little)
    fits = (first >= start) & (first + 2 <= tf.size(data))
    count = tf.where(fits, _number_of(data, first, 2, little), 0)
    count = tf.clip_by_value(count, 0, (tf.size(data) - first - 2) // 12)
    places = first + 2 + 12 * tf.range(count)
    tags, values = (_number_of(data, places + skip, 2, little) for skip in (0, 8))
    orientation = tf.reduce_max(tf.where(tf.equal(tags, _ORIENTATION), values, 0))
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, 1)


def _number_of(data: tf.Tensor, place: tf.Tensor, size: int, little: tf.Tensor) -> tf.Tensor:
    return tf.where(little, _number(data, place, size, little=True), _number(data, place, size))


def _number(
    data: tf.Tensor, place: tf.Tensor | int, size: int, *, little: bool = False
) -> tf.Tensor:
    """The integers at some places; 0 beyond the end."""
    powers = [256**power for power in range(size)]
    weights = tf.constant(powers if little else powers[::-1], tf.int64)
    whole = tf.reduce_sum(tf.cast(_bytes(data, place, size), tf.int64) * weights, axis=-1)
    # Four bytes may say more than an int32 holds: as in the formats, that is below 0.
    return tf.bitcast(tf.cast(whole, tf.uint32), tf.int32)


def _bytes(data: tf.Tensor, place: tf.Tensor | int, size: int) -> tf.Tensor:
    places = tf.convert_to_tensor(place)[..., None] + tf.range(size)
    inside = (places >= 0) & (places < tf.size(data))
    values = tf.gather(data, tf.where(inside, places, 0))
    return tf.where(inside, tf.cast(values, tf.int32), 0)
