"""What `kelp init` proposes for skewed numbers."""

import numpy as np
import pyarrow as pa
import pytest

from models.features import skewness
from models.features.kind import ColumnProfile
from models.features.numeric import NumericSpec

GENERATOR = np.random.default_rng(0)
NORMAL = GENERATOR.normal(size=2000)


def proposed(values):
    column = pa.array(values, pa.float64())
    distinct = len(set(column.drop_null().to_pylist()))
    low, high = np.nanmin(values), np.nanmax(values)
    profile = ColumnProfile("x", column, "numbers", len(column), distinct, low, high, ("x",))
    return NumericSpec.recognize(profile)


def test_skewed_numbers_and_long_tails_are_scaled_by_their_ranks():
    assert proposed(NORMAL).keys == {"type": "numeric"}
    assert proposed(GENERATOR.uniform(size=500)).keys == {"type": "numeric"}
    found = proposed(np.exp(2 * NORMAL))
    assert found.keys == {"type": "numeric", "scale": "quantile"}
    assert "skewness" in found.note
    assert proposed(-np.exp(2 * NORMAL)).keys["scale"] == "quantile"
    tails = proposed(np.concatenate([NORMAL, [-30.0, 30.0]]))
    assert tails.keys["scale"] == "quantile"
    assert "robust deviations" in tails.note


def test_a_few_values_and_missing_ones_are_no_reason():
    assert proposed([0.0] * 999 + [1.0, 2.0]).keys == {"type": "numeric"}
    values = np.where(GENERATOR.uniform(size=2000) < 0.3, np.nan, NORMAL)
    column = [None if np.isnan(value) else value for value in values]
    assert skewness.describe_skewness(pa.array(column)) == ""


@pytest.mark.parametrize(
    ("labels", "suits"),
    [
        (np.exp(NORMAL), True),
        (NORMAL, False),
        (-np.exp(NORMAL), False),
        (np.exp(NORMAL) - 1, False),
        (np.full(9, 3.0), False),
        ([0.0] * 999 + [1.0], False),
    ],
    ids=["lognormal", "normal", "left", "below zero", "constant", "one of a thousand"],
)
def test_a_label_skewed_to_the_right_is_learned_by_its_logarithm(labels, suits):
    assert skewness.suits_logarithm(pa.array(labels)) is suits
