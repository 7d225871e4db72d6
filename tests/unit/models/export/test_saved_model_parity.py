"""How far two answers are apart."""

from __future__ import annotations

import numpy as np
import pytest

from models.export import saved_model_parity as parity


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
    found = parity._difference(np.array([expected]), np.array([received]), None)
    assert found == pytest.approx(apart)


def test_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        parity._difference(np.zeros(3), np.zeros((3, 1)), None)


def test_decisions_are_compared_away_from_where_the_class_changes() -> None:
    decisions, others = np.array([0.5, 0.5, 0.1]), np.array([0.5, 0.9, 0.1])
    margin = np.array([0.2, 1e-6, 0.4])
    rows = parity._away(margin, 1e-5, "decisions")
    assert parity._difference(decisions, others, rows) == 0
    assert parity._difference(others, decisions, parity._away(margin, 1e-7, "decisions")) > 0
    assert parity._away(margin, 1e-5, "probabilities") is None
    assert parity._away(None, 1e-5, "decisions") is None
