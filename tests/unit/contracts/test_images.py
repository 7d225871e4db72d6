import io
import struct

import numpy as np
import pytest
from PIL import Image

from contracts.images import image_size


def encoded(image_format: str, mode: str = "RGB", size: tuple[int, int] = (23, 17)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, image_format)
    return file.getvalue()


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "BMP", "GIF"])
def test_the_size_is_read_from_the_header(image_format: str) -> None:
    assert image_size(encoded(image_format)) == (23, 17)


def test_the_size_of_a_jpeg_is_found_behind_other_segments() -> None:
    plain = encoded("JPEG")
    comment = b"\xff\xfe" + struct.pack(">H", 302) + b"\xc0" * 300
    assert image_size(plain[:2] + comment + plain[2:]) == (23, 17)


def test_the_size_of_a_gif_is_that_of_its_first_frame() -> None:
    gif = encoded("GIF")
    assert image_size(gif[:6] + struct.pack("<HH", 1, 1) + gif[10:]) == (23, 17)
    comment = b"!\xfe" + b"\x01x" * 1100 + b"\0"
    table = 13 + (6 << (gif[10] & 7))
    assert image_size(gif[:table] + comment[:200] + b"\0" + gif[table:]) == (23, 17)
    assert image_size(gif[:table] + comment + gif[table:]) is None


def test_text_that_begins_as_a_bmp_does_is_no_image() -> None:
    assert image_size(b"BMW/front/a long name of a photograph, with a number 000123.png") is None


def test_what_is_no_image_or_is_cut_in_its_header_has_no_size() -> None:
    assert image_size(b"") is None
    assert image_size(b"no image") is None
    for image_format in ("PNG", "JPEG", "BMP", "GIF"):
        assert image_size(encoded(image_format)[:9]) is None


def test_random_bytes_never_fail() -> None:
    generator = np.random.default_rng(0)
    for start in (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"GIF89a1234\0\0\0!", b"BM"):
        for length in range(60):
            size = image_size(start + generator.bytes(length))
            assert size is None or len(size) == 2
