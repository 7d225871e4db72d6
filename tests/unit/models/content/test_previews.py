"""Pictures stay small, and what covers a part leaves the rest."""

from __future__ import annotations

import base64
import io

import numpy as np
import pyarrow as pa
from PIL import Image

from models.content.images.content import ImageContent
from models.content.texts.content import EXCERPT, TextContent
from tests.content_examples import encode


def test_a_picture_is_a_small_png_of_the_same_aspect() -> None:
    noise = encode(np.random.default_rng(0).integers(0, 255, (200, 400, 3)))
    preview = ImageContent().preview_value(noise)
    assert (preview.width, preview.height) == (64, 32)
    assert preview.png is not None
    decoded = base64.b64decode(preview.png)
    assert len(decoded) < 4000
    assert Image.open(io.BytesIO(decoded)).size == (64, 32)


def test_what_has_no_picture_says_why() -> None:
    content = ImageContent()
    assert content.preview_value(b"nonsense").note == "no image"
    assert content.preview_value(b"").note == "missing"
    assert content.occlude(b"nonsense") is None


def test_each_cell_of_an_image_is_covered_once() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 16, 3)).astype(np.uint8)
    occlusion = ImageContent().occlude(encode(pixels))
    assert occlusion is not None
    assert len(occlusion.covered) == 64
    changed = np.stack([np.asarray(Image.open(io.BytesIO(part))) for part in occlusion.covered])
    differs = (changed != pixels).any(axis=3)
    assert differs.any(axis=0).all()
    assert differs[0, :3, :2].mean() > 0.9
    assert not differs[0, 12:, 8:].any()
    weights = np.arange(64.0)
    heat = occlusion.show(list(weights)).heat
    assert heat is not None
    assert heat.weights == weights.reshape(8, 8).tolist()


def test_each_word_of_a_text_is_left_out_once() -> None:
    occlusion = TextContent().occlude("not  good at all")
    assert occlusion is not None
    assert occlusion.covered == ["good at all", "not  at all", "not  good all", "not  good at "]
    shown = occlusion.show([1.0, -2.0, 0.0, 0.5])
    assert [(part.text, part.weight) for part in shown.parts or []][:2] == [
        ("not  ", 1.0),
        ("good ", -2.0),
    ]
    assert TextContent().occlude("") is None


def test_each_ideograph_is_a_word_of_its_own() -> None:
    occlusion = TextContent().occlude("很好! ok")
    assert occlusion is not None
    assert occlusion.covered == ["好! ok", "很! ok", "很好ok", "很好! "]


def test_texts_without_blanks_are_embedded_by_their_ideographs() -> None:
    texts = pa.chunked_array([["这个很好用", "今天很好吃", "不怎么样"]])
    first, second, third = TextContent().embed(texts).toarray()
    assert first @ second > 0.1
    assert first @ third == 0


def test_an_excerpt_is_short() -> None:
    assert len(TextContent().preview_value("x" * 1000).text or "") == EXCERPT
