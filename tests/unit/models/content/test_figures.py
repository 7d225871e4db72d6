"""Figures of images, texts and windows that rows are sliced by."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.features.image import ImageSpec
from models.features.text import TextSpec
from models.features.window import WindowSpec
from tests.fixtures.pictures import encoded


def test_an_image_is_sliced_by_its_brightness_its_orientation_and_its_size() -> None:
    bright = encoded(np.full([20, 40, 3], [200, 201, 203], np.uint8), "PNG")
    dark = encoded(np.full([40, 20, 3], 10, np.uint8), "JPEG")
    square = encoded(np.zeros([8, 8], np.uint8), "PNG")
    column = pa.chunked_array([[bright, dark], [square, b"no image", None]], pa.binary())
    figures = {name: values.to_pylist() for name, values in ImageSpec.figures(column).items()}
    assert tuple(figures) == ImageSpec.slice_figures
    assert figures["brightness"][:3] == [200.9, pytest.approx(10, abs=2), 0.0]
    assert figures["orientation"] == ["landscape", "portrait", "square", None, None]
    assert figures["pixels"] == [800, 800, 64, None, None]
    assert figures["brightness"][3:] == [None, None]


def test_a_text_is_sliced_by_how_many_words_it_has() -> None:
    column = pa.chunked_array([["Très bon café!", ""], [None, "one " * 30]], pa.string())
    figures = TextSpec.figures(column)
    assert tuple(figures) == TextSpec.slice_figures
    assert figures["words"].to_pylist() == [3, 0, 0, 30]


def test_a_window_is_sliced_by_its_mean_and_by_the_share_of_missing_steps() -> None:
    nan = float("nan")
    lists = pa.FixedSizeListArray.from_arrays(
        pa.array([1, 2, 3, 6, nan, 5, 7, nan, nan, nan, nan, nan], pa.float32()), 4
    )
    figures = WindowSpec.figures(pa.chunked_array([lists]))
    assert tuple(figures) == WindowSpec.slice_figures
    assert figures["mean"].to_pylist() == [3, 6, None]
    assert figures["missing"].to_pylist() == [0, 0.5, 1]
    assert WindowSpec.figures(pa.chunked_array([lists[:0]]))["mean"].to_pylist() == []
