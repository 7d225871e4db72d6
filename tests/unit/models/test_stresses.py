"""Stresses change values as they say, the same way each time, and leave the missing alone."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import TypeAdapter

from models.stresses.images import IMAGE_STRESSES, ImageStress
from models.stresses.kind import ValueStress
from models.stresses.texts import TEXT_STRESSES, TextStress
from tests.content_examples import encode, pixels_of

_IMAGES: TypeAdapter[Any] = TypeAdapter(ImageStress)
_TEXTS: TypeAdapter[Any] = TypeAdapter(TextStress)
SENTENCE = "This coffee is really good and I will buy it again, said everybody who tried it."


def image_stress(kind: str, **keys: Any) -> ValueStress:
    stress: ValueStress = _IMAGES.validate_python({"kind": kind, **keys})
    return stress


def text_stress(kind: str, **keys: Any) -> ValueStress:
    stress: ValueStress = _TEXTS.validate_python({"kind": kind, **keys})
    return stress


def applied(stress: ValueStress, values: list[Any], seed: int = 0) -> list[Any]:
    column = np.array([*values, None], object)[:-1]
    return stress.apply(column, np.random.default_rng(seed)).tolist()


def decoded(encoded: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), np.float32)


@pytest.fixture(scope="module")
def shapes() -> list[bytes]:
    rng = np.random.default_rng(2)
    return [encode(pixels_of(label, rng)) for label in (0, 1, 2, 0)]


@pytest.mark.parametrize("kind", IMAGE_STRESSES)
def test_an_image_stress_changes_pixels_and_no_size_and_is_repeatable(
    kind: str, shapes: list[bytes]
) -> None:
    stress = image_stress(kind)
    changed = applied(stress, shapes)
    assert changed == applied(stress, shapes)
    for before, after in zip(shapes, changed, strict=True):
        assert decoded(after).shape == decoded(before).shape
        assert not np.array_equal(decoded(after), decoded(before))


@pytest.mark.parametrize("kind", IMAGE_STRESSES)
def test_what_is_no_image_or_missing_stays(kind: str) -> None:
    assert applied(image_stress(kind), [b"nonsense", b"", None]) == [b"nonsense", b"", None]


def test_image_stresses_do_what_they_say(shapes: list[bytes]) -> None:
    before = decoded(shapes[0])
    (dark,) = applied(image_stress("brightness", factor=0.5), shapes[:1])
    assert decoded(dark).mean() == pytest.approx(before.mean() / 2, rel=0.05)
    (flat,) = applied(image_stress("contrast", factor=0.5), shapes[:1])
    assert decoded(flat).std() == pytest.approx(before.std() / 2, rel=0.05)
    (hidden,) = applied(image_stress("occlusion", area=0.25), shapes[:1])
    assert (decoded(hidden) == 128).all(axis=2).mean() == pytest.approx(0.25, abs=0.02)
    (jpeg,) = applied(image_stress("jpeg", quality=5), shapes[:1])
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG"


@pytest.mark.parametrize("kind", TEXT_STRESSES)
def test_a_text_stress_changes_text_and_is_repeatable(kind: str) -> None:
    stress = text_stress(kind)
    changed = applied(stress, [SENTENCE, SENTENCE])
    assert changed == applied(stress, [SENTENCE, SENTENCE])
    assert SENTENCE not in changed
    assert applied(stress, ["", None]) == ["", None]


def test_text_stresses_do_what_they_say() -> None:
    words = SENTENCE.split()
    (fewer,) = applied(text_stress("dropped_words", rate=0.3), [SENTENCE])
    assert 0 < len(fewer.split()) < len(words)
    (swapped,) = applied(text_stress("swapped_words", rate=0.5), [SENTENCE])
    assert sorted(swapped.split()) == sorted(words)
    assert applied(text_stress("case"), [SENTENCE]) == [SENTENCE.upper()]
    (short,) = applied(text_stress("truncation", keep=0.25), [SENTENCE])
    assert SENTENCE.startswith(short)
    assert len(short) == 20
    (strange,) = applied(text_stress("unicode", rate=1.0), [SENTENCE])
    assert not strange.isascii()


@pytest.mark.parametrize("kind", ["dropped_words", "swapped_words"])
def test_words_of_texts_without_blanks_are_dropped_and_swapped(kind: str) -> None:
    text = "这家店的汤不够热我们不会再来了"
    (changed,) = applied(text_stress(kind, rate=0.5), [text])
    assert changed != text
    assert len(changed) > 1
    assert set(changed) <= set(text)


def test_a_share_of_the_rows_is_changed_as_all_of_them_would_be() -> None:
    values = [f"{SENTENCE} {place}" for place in range(400)]
    some = applied(text_stress("typos", share=0.25), values)
    every = applied(text_stress("typos"), values)
    hit = [after != before for before, after in zip(values, some, strict=True)]
    assert np.mean(hit) == pytest.approx(0.25, abs=0.06)
    assert all(one == other for one, other, is_hit in zip(some, every, hit, strict=True) if is_hit)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60), st.sampled_from(sorted(TEXT_STRESSES)))
def test_any_text_can_be_put_under_stress(text: str, kind: str) -> None:
    (changed,) = applied(text_stress(kind), [text])
    changed.encode("utf-8")
