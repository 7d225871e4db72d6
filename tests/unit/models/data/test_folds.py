"""Folds by row, by key and by time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigError
from models.data.folds import key_folds, rolling_rounds, row_folds, time_folds
from models.training.cross_validation import summarise


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=8, max_size=200), st.integers(2, 8), st.integers(0, 99))
def test_every_fold_has_its_share_of_every_class(labels, folds, seed):
    labels = np.array(labels)
    dealt = row_folds(labels, folds, seed)
    sizes = np.bincount(dealt, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for label in set(labels.tolist()):
        counts = np.bincount(dealt[labels == label], minlength=folds)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(dealt, row_folds(labels, folds, seed))


def test_the_seed_deals_anew():
    labels = np.zeros(100)
    assert (row_folds(labels, 5, 1) != row_folds(labels, 5, 2)).any()


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(2, 6))
def test_rows_of_one_key_stay_together_and_folds_are_even(seed, folds):
    generator = np.random.default_rng(seed)
    day, town = generator.integers(0, 40, 3000), generator.integers(0, 3, 3000)
    missing = generator.uniform(size=3000) < 0.01
    table = pa.table(
        {
            "day": pa.array([f"day {n}" for n in day], mask=missing),
            "town": pa.array(town),
        }
    )
    dealt = key_folds(table, folds, seed)
    keys = np.where(missing, -1, day) * 10 + town
    assert all(len(np.unique(dealt[keys == key])) == 1 for key in np.unique(keys))
    sizes = np.bincount(dealt, minlength=folds)
    assert sizes.max() - sizes.min() <= 2 * np.unique(keys, return_counts=True)[1].max()


def test_time_is_cut_into_stretches():
    generator = np.random.default_rng(0)
    days = generator.integers(1, 29, 1000)
    text = pa.chunked_array([[f"2024-02-{day:02}" for day in days]])
    dealt = time_folds(text, 4)
    edges = [(days[dealt == fold].min(), days[dealt == fold].max()) for fold in range(4)]
    assert all(before[1] < after[0] for before, after in pairwise(edges))
    np.testing.assert_array_equal(dealt, time_folds(pa.chunked_array([days]), 4))


def test_the_origin_rolls_and_leaves_a_gap():
    days = np.random.default_rng(0).permutation(100)
    rounds = rolling_rounds(pa.chunked_array([days]), 4, gap=5)
    assert [len(part.held) for part in rounds] == [20, 20, 20, 20]
    for part in rounds:
        assert days[part.train].max() == days[part.held].min() - 6
    assert sorted(np.concatenate([days[part.held] for part in rounds])) == list(range(20, 100))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: row_folds(np.zeros(3), 5, 0), "rows"),
        (lambda: key_folds(pa.table({"k": [1, 1, 2, 2, 2, 3]}), 5, 0), "keys"),
        (lambda: time_folds(pa.chunked_array([[1, 1, 1, 2, 2, 2]]), 5), "moments"),
    ],
)
def test_too_few_of_them_is_an_error_that_says_so(make, what):
    with pytest.raises(ConfigError, match=f"too few {what} for 5 folds") as error:
        make()
    assert error.value.where == "evaluation.cross_validation"


@pytest.mark.parametrize("gap", [30, 95])
def test_a_fold_without_older_rows_is_an_error_that_names_the_gap(gap):
    with pytest.raises(ConfigError, match="no row of train is older than fold 1") as error:
        rolling_rounds(pa.chunked_array([np.arange(100)]), 4, gap)
    assert error.value.received == f"20 moments before it, and a gap of {gap}"


def test_mean_and_spread_leave_out_what_a_fold_could_not_tell():
    mean, deviation = summarise([{"a": 1.0, "b": None}, {"a": 3.0, "b": 2.0}])
    assert mean == {"a": 2.0, "b": 2.0}
    assert deviation["a"] == pytest.approx(np.sqrt(2))
    assert deviation["b"] is None
    assert summarise([{"b": None}]) == ({"b": None}, {"b": None})
