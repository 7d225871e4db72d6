"""The audit of images finds what was planted, by name, and is silent on clean images."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from contracts.results.checked import Checked
from models.content.config import ImagesAuditSpec
from models.content.images.content import ImageContent
from models.content.images.decode import MOST_PIXELS, UndecodableImage, decode_image
from models.features.pixels import PixelForm, decode_images
from tests.content_examples import CLASSES, checked, content_splits, encode, images, pixels_of
from tests.fixtures.pictures import COLOUR, GRAY, encoded

ROWS = {"train": 400, "val": 60, "test": 60}


@pytest.fixture(scope="module")
def clean() -> dict[str, tuple[list[bytes], Any]]:
    """Three splits without a defect."""
    return {split: images(rows, seed) for seed, (split, rows) in enumerate(ROWS.items())}


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def encode_as(form: str, **options: Any) -> bytes:
    if form == "16 bits":
        return encoded(GRAY.astype(np.uint16) * 257, "PNG")
    return encoded(COLOUR, form, "P", **options)


def audit(values: Any, **bounds: Any) -> list[Checked]:
    content = ImageContent()
    spec = ImagesAuditSpec.model_validate(bounds)
    return content.audit(content_splits(content, values, CLASSES), spec)


def planted(clean: Any, split: str, place: int, image: bytes) -> Any:
    found, labels = clean[split]
    return {**clean, split: ([*found[:place], image, *found[place + 1 :]], labels)}


def test_clean_images_pass(clean: Any) -> None:
    assert {check.outcome for check in audit(clean)} == {"pass"}


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF"])
def test_a_file_that_is_cut_short_is_named(clean: Any, form: str, kept: float) -> None:
    whole = encode(np.random.default_rng(0).integers(0, 255, (40, 40, 3)), form)
    cut = whole[: int(kept * len(whole))]
    found = checked(audit(planted(clean, "train", 7, cut)), "images.unreadable", "train")
    assert (found.outcome, found.severity) == ("block", "block")
    assert "1 of 400 images of split train cannot be decoded (1 cut short)" in found.what
    assert "row 8 of split train" in found.what
    assert (found.expected, found.received) == ("at most 0.00% of them", "0.25%")
    assert "replace the files" in found.fix


def test_what_is_no_image_is_named(clean: Any) -> None:
    found = checked(audit(planted(clean, "val", 0, b"no image")), "images.unreadable", "val")
    assert "1 no image" in found.what
    assert found.outcome == "block"


def test_what_the_transform_graph_cannot_decode_is_named(clean: Any) -> None:
    buffer = io.BytesIO()
    Image.new("1", (20, 30)).save(buffer, "BMP")
    found = checked(audit(planted(clean, "val", 0, buffer.getvalue())), "images.unreadable", "val")
    assert "1 no image" in found.what


def test_an_image_of_more_pixels_than_the_feature_takes_is_named(clean: Any) -> None:
    content = ImageContent()
    large = encode(np.zeros((40, 40, 3)))
    splits = content_splits(content, planted(clean, "val", 2, large), CLASSES)
    splits = replace(splits, settings={"max_pixels": 1000})
    found = checked(content.audit(splits, ImagesAuditSpec()), "images.unreadable", "val")
    assert "1 of 60 images of split val cannot be decoded (1 too large): row 3" in found.what


def test_a_missing_image_is_not_unreadable(clean: Any) -> None:
    found = checked(audit(planted(clean, "val", 0, b"")), "images.unreadable", "val")
    assert found.outcome == "pass"


def test_a_huge_image_is_not_decoded() -> None:
    buffer = io.BytesIO()
    side = int(MOST_PIXELS**0.5) + 1
    Image.new("1", (side, side)).save(buffer, "PNG")
    with pytest.raises(UndecodableImage) as raised:
        decode_image(buffer.getvalue())
    assert raised.value.fault == "too large"


@pytest.mark.parametrize(
    ("form", "options"),
    [("16 bits", {}), ("GIF", {"transparency": 3}), ("PNG", {"exif": turned(6)})],
)
def test_what_is_looked_at_is_what_the_model_sees(form: str, options: dict[str, Any]) -> None:
    content = encode_as(form, **options)
    seen = decode_images(tf.constant([content]), PixelForm(20, 30, 3, "pad", 1000))[0]
    np.testing.assert_array_equal(np.asarray(decode_image(content)), seen)


def test_a_blank_image_and_an_odd_one_are_named(clean: Any) -> None:
    blank = encode(np.full((28, 28), 128))
    found = audit(planted(clean, "test", 3, blank))
    assert checked(found, "images.blank", "test").outcome == "warn"
    assert "row 4 of split test" in checked(found, "images.blank", "test").what
    wide = encode(np.random.default_rng(0).integers(0, 255, (20, 300)))
    odd = checked(audit(planted(clean, "test", 5, wide)), "images.sizes", "test")
    assert "row 6 of split test" in odd.what
    assert odd.outcome == "warn"


@pytest.mark.parametrize("how", ["jpeg", "larger", "brighter"])
def test_near_duplicates_across_splits_are_named(clean: Any, how: str) -> None:
    original = Image.open(io.BytesIO(clean["train"][0][11])).convert("RGB")
    if how == "larger":
        altered = encode(np.asarray(original.resize((56, 56), Image.Resampling.BILINEAR)))
    elif how == "brighter":
        altered = encode(np.asarray(original.point(lambda value: min(255, int(value * 1.1) + 9))))
    else:
        altered = encode(np.asarray(original), "JPEG", quality=70)
    found = audit(planted(clean, "test", 20, altered))
    near = checked(found, "images.near", "train, test")
    assert near.outcome == "warn"
    assert "row 21 of split test" in near.what
    assert "(row 12 of split train)" in near.what
    assert checked(found, "images.across", "train, test").outcome == "pass"


def test_exact_copies_across_splits_are_named_whatever_their_label(clean: Any) -> None:
    found = audit(planted(clean, "val", 2, clean["train"][0][11]))
    copies = checked(found, "images.across", "train, val")
    assert copies.outcome == "warn"
    assert "1 of 60 images of split val are also in train: row 3 of split val" in copies.what
    assert checked(found, "images.near", "train, val").outcome == "pass"


def test_a_watermark_that_gives_the_label_away_is_found() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 300)
    marked = []
    for label in labels:
        pixels = pixels_of(int(label), rng)
        if CLASSES[label] == "cross":
            pixels[24:27, 1:4] = 90
        marked.append(encode(pixels))
    found = checked(audit({"train": (marked, labels)}), "images.border")
    assert found.outcome == "warn"
    assert found.figure == pytest.approx(1.0, abs=0.1)
    assert "label = cross" in found.what
    assert "bottom left" in found.what


def test_the_border_of_tiny_images_and_of_a_regression_is_not_measured(clean: Any) -> None:
    rng = np.random.default_rng(5)
    labels = np.arange(120) % 3
    tiny = [encode(pixels_of(int(label), rng)[::4, ::4]) for label in labels]
    found = checked(audit({"train": (tiny, labels)}), "images.border")
    assert found.outcome == "off"
    assert found.what.startswith("Not measured: images of fewer than 16 pixels")
    content = ImageContent()
    splits = content_splits(content, {"train": (clean["train"][0], np.linspace(0, 1, 400))}, ())
    found = checked(content.audit(splits, ImagesAuditSpec()), "images.border")
    assert "Not measured: the label is a number" in found.what


def test_checks_that_are_off_are_not_made(clean: Any) -> None:
    off = {"severity": "off"}
    names = ("unreadable", "blank", "sizes", "across", "near", "border")
    assert audit(clean, **dict.fromkeys(names, off)) == []


def test_the_embedding_and_the_statistics_are_of_what_is_seen(clean: Any) -> None:
    content = ImageContent()
    facts = content_splits(content, clean, CLASSES).facts["val"]
    embedded = content.embed(facts)
    assert embedded.shape == (60, 16 * 16 + 4 * 4 * 3)
    assert 0 <= embedded.min() < embedded.max() <= 1
    statistics = content.statistics(facts, {})
    assert statistics["width"] == statistics["height"] == [28, 28, 28]
    assert statistics["images"] == 60
