"""Resamples that everything shares, their intervals, and p values among many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.results.evidence import Interval
from evidence import bootstrap as module
from evidence.bootstrap import Draws, bootstrap, draw, interval
from evidence.calibration import calibration, wilson
from evidence.groups import whole
from evidence.measures import Outcome
from evidence.moments import Moments, mean
from evidence.significance import benjamini_hochberg, losses


def test_a_resample_has_as_many_rows_and_depends_on_its_place_alone():
    counts = draw(500, 9, 0, 6)
    assert (counts.sum(axis=1) == 500).all()
    assert (draw(500, 9, 4, 2) == counts[4:]).all()
    assert (draw(500, 10, 0, 6) != counts).any()
    assert counts.mean(axis=0).std() > 0


def test_rows_that_belong_together_are_drawn_together():
    clusters = np.array([0, 1, 0, 2, 1, 0])
    counts = Draws(6, 50, 1, clusters).counts(0, 50)
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 1] == counts[:, 4]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert (counts[:, 0] != counts[:, 1]).any()


def test_the_size_of_a_block_changes_nothing(monkeypatch):
    numbers = np.random.default_rng(0).normal(size=300)
    statistics = {"mean": Moments(mean(numbers), whole(300))}
    first = bootstrap(statistics, Draws(300, 40, 1))["mean"]
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 1)
    again = bootstrap(statistics, Draws(300, 40, 1))["mean"]
    assert again == pytest.approx(first, rel=1e-12, abs=1e-12)
    assert len(np.unique(first)) == 40


def test_intervals_of_a_mean_cover_it_as_often_as_they_say():
    covered = 0
    for seed in range(200):
        numbers = np.random.default_rng(seed).normal(size=120)
        drawn = bootstrap({0: Moments(mean(numbers), whole(120))}, Draws(120, 300, seed))[0][:, 0]
        found = interval(float(numbers.mean()), drawn, 0.9)
        covered += found.low <= 0 <= found.high
    assert 165 <= covered <= 194


def test_an_interval_without_enough_resamples_is_none():
    drawn = np.array([np.nan] * 30 + [1.0] * 70)
    assert interval(1.0, drawn, 0.95) == Interval(value=1.0)
    assert interval(float("nan"), np.full(9, np.nan), 0.95).value is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
@settings(deadline=None)
def test_q_values_are_those_of_benjamini_and_hochberg(p):
    q = benjamini_hochberg(np.array(p))
    ordered = sorted(p)
    for value, found in zip(p, q, strict=True):
        expected = min(
            1.0,
            *(
                other * len(p) / (place + 1)
                for place, other in enumerate(ordered)
                if other >= value
            ),
        )
        assert found == pytest.approx(expected)


def test_what_was_not_tested_does_not_count():
    q = benjamini_hochberg(np.array([0.01, np.nan, 0.02]))
    assert q[[0, 2]] == pytest.approx([0.02, 0.02])
    assert np.isnan(q[1])


def test_few_influences_are_worth_few_degrees_of_freedom():
    random = np.random.default_rng(0)
    even, uneven = random.normal(size=400), np.append(random.normal(size=396) / 100, [3, -3, 3, -3])
    found = losses(
        np.array([3.0, 3.0]),
        np.array([(one**2).sum() for one in (even, uneven)]),
        np.array([(one**4).sum() for one in (even, uneven)]),
        np.array([400, 400]),
    )
    assert found.freedom[0] > 200
    assert found.freedom[1] < 10
    assert found.p(0.0)[0] == pytest.approx(0.44, abs=0.02)


def test_without_noise_a_loss_is_certain():
    found = losses(np.array([0.2, 0.0, np.nan]), np.zeros(3), np.zeros(3), np.full(3, 50))
    assert found.p(0.1)[:2].tolist() == [0.0, 1.0]
    assert np.isnan(found.p(0.1)[2])


def test_wilson_at_the_edges():
    low, high = wilson(np.array([0.0, 10.0, 5.0]), np.array([10.0, 10.0, 10.0]), 0.95)
    assert low == pytest.approx([0, 0.7225, 0.2366], abs=1e-4)
    assert high == pytest.approx([0.2775, 1, 0.7634], abs=1e-4)


def test_calibration_error_finds_what_is_off():
    random = np.random.default_rng(4)
    chance = random.random(20_000)
    labels = (random.random(20_000) < chance).astype(np.int64)
    true = calibration(Outcome("binary", labels, chance, 0.5), 10, 0.95, Draws(20_000, 200, 0))
    off = calibration(
        Outcome("binary", labels, np.clip(chance + 0.1, 0, 1), 0.5), 10, 0.95, Draws(20_000, 200, 0)
    )
    assert true.error.value < 0.02
    assert true.error.low < 0.006
    assert off.error.low < 0.097 < off.error.high + 0.01
    assert off.error.low > 0.08
    assert sum(one.rows for one in true.bins) == 20_000
    inside = [one.observed_low <= one.predicted <= one.observed_high for one in true.bins]
    assert sum(inside) >= 8
    assert (
        calibration(Outcome("regression", chance, chance, None), 10, 0.95, Draws(20_000, 200, 0))
        is None
    )


def test_many_classes_are_calibrated_by_the_most_probable_one():
    scores = np.array([[0.7, 0.2, 0.1]] * 10, np.float32)
    labels = np.array([0] * 7 + [1, 1, 2])
    found = calibration(Outcome("multiclass", labels, scores, None), 10, 0.95, Draws(10, 100, 0))
    assert found.error.value == pytest.approx(0, abs=1e-6)
    assert [one.rows for one in found.bins] == [10]
