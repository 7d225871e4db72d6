"""How far two answers are apart."""

from __future__ import annotations

import numpy as np
import pytest

from models import parity


@pytest.mark.parametrize(
    ("expected", "received", "apart"),
    [
        (0.5, 0.50002, 2e-5),
        (4000.0, 4000.0004, 1e-7),
        (4000.0, 4040.0, 1e-2),
        (0.0, np.nan, np.inf),
    ],
)
def test_differences_are_absolute_up_to_one_and_relative_above(
    expected: float, received: float, apart: float
) -> None:
    found = parity._difference(np.array([expected]), np.array([received]), None, "predictions")
    assert found == pytest.approx(apart)


def test_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        parity._difference(np.zeros(3), np.zeros((3, 1)), None, "predictions")
