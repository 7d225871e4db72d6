"""The law through a learning curve finds what was planted, and its band holds it."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.learning_curve import MeasuredCurve, extrapolate, power_law

ROWS = (1200, 2500, 5000, 10_000)


def _planted(rows, sign=1):
    return 0.5 + sign * (0.4 - 3.0 * np.asarray(rows, np.float64) ** -0.45)


def _curve(values, noise=0.002, rows=ROWS, higher=True, resamples=300):
    generator = np.random.default_rng(3)
    drawn = values + generator.normal(0, noise, (resamples, len(rows)))
    return MeasuredCurve("trees", "roc_auc", higher, 2000, rows, values, drawn)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_power_law_is_found(sign):
    curve = _curve(_planted(ROWS, sign), higher=sign > 0)
    found = extrapolate(curve, 10_000, 0.95, 0.1)
    assert found is not None
    twice = _planted(20_000, sign)
    assert found.doubled.value == pytest.approx(twice, abs=1e-4)
    assert found.doubled.low < twice < found.doubled.high
    assert found.gain.value == pytest.approx(abs(twice - _planted(10_000, sign)), abs=1e-4)
    assert [point.rows for point in found.points] == list(ROWS)
    assert found.law[0].rows == ROWS[0]
    assert found.law[-1].rows == 20_000


def test_more_rows_are_worth_nothing_where_the_curve_is_flat():
    found = extrapolate(_curve(np.full(4, 0.8)), 10_000, 0.95, 0.1)
    assert found is not None
    assert found.gain.value == pytest.approx(0, abs=1e-9)
    assert found.gain.low == pytest.approx(0, abs=1e-3)


def test_a_falling_curve_is_taken_for_a_flat_one():
    answers = power_law(
        np.array(ROWS, float), np.array([[0.8, 0.79, 0.78, 0.77]]), np.ones(4), np.array([20_000.0])
    )
    assert answers[0, 0] == pytest.approx(0.785)


def test_no_metric_exceeds_its_best():
    values = np.array([0.70, 0.80, 0.90, 0.999])
    found = extrapolate(_curve(values), 10_000, 0.95, 0.1)
    assert found is not None
    assert max(point.metric.high for point in found.law) <= 1.0


def test_two_points_are_no_curve():
    assert extrapolate(_curve(np.array([0.7, 0.8]), rows=(50, 100)), 100, 0.95, 0.1) is None
