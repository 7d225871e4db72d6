from __future__ import annotations

import numpy as np
import pytest

from serving.release.config import BudgetSpec
from serving.release.judge import distance, judge


def _figures(count=2000, errors=0, latency=1.0, outputs=None, seed=0):
    draw = np.random.default_rng(seed)
    latencies = np.sort(latency * draw.lognormal(0, 0.3, max(0, count - errors)))
    outputs = {"p": draw.beta(2, 2, count - errors)} if outputs is None else outputs
    return {
        "requests": count,
        "errors": errors,
        "latency_ms": {"count": len(latencies), "sample": latencies.tolist()},
        "outputs": {
            name: {"count": len(values), "sample": np.sort(values).tolist()}
            for name, values in outputs.items()
        },
    }


def _states(stable, canary, **budget):
    checks = judge({"stable": stable, "canary": canary}, BudgetSpec(**budget))
    assert all(check.what in check.line() for check in checks)
    return {check.what: check.state for check in checks}


ALL_WITHIN = {"errors": "within", "latency p50": "within", "latency p95": "within"}


def test_a_good_canary_keeps_every_bound():
    assert _states(_figures(), _figures(seed=1)) == {**ALL_WITHIN, "shift of p": "within"}


def test_noise_does_not_break_a_bound():
    for seed in range(30):
        states = _states(_figures(400, 4, seed=seed), _figures(60, 1, seed=seed + 100))
        assert "over" not in states.values()


def test_errors_beyond_chance_break_it_early():
    states = _states(_figures(90), _figures(10, 10), requests=200)
    assert states["errors"] == "over"
    # Of ten, one may well be chance.
    assert _states(_figures(90), _figures(10, 1))["errors"] == "waiting"


def test_errors_that_both_have_break_nothing():
    assert _states(_figures(2000, 400), _figures(2000, 400, seed=1))["errors"] == "within"


def test_few_more_errors_than_allowed_are_not_within():
    states = _states(_figures(300), _figures(300, 6), error_rate=0.01)
    assert states["errors"] == "waiting"


def test_a_slow_canary_breaks_the_latency():
    states = _states(_figures(latency=10), _figures(300, latency=30, seed=1))
    assert (states["latency p50"], states["latency p95"]) == ("over", "over")


def test_a_difference_that_nobody_feels_breaks_nothing():
    states = _states(_figures(latency=0.3), _figures(latency=0.9, seed=1), latency_slack_ms=2)
    assert states["latency p50"] == "within"


def test_a_slow_tail_is_seen_beside_a_good_median():
    draw = np.random.default_rng(0)
    slow = _figures(seed=1)
    tail = np.where(draw.random(2000) < 0.1, 50.0, 1.0)
    slow["latency_ms"]["sample"] = np.sort(tail).tolist()
    states = _states(_figures(), slow)
    assert (states["latency p50"], states["latency p95"]) == ("within", "over")


def test_shifted_predictions_break_it():
    shifted = _figures(outputs={"p": np.random.default_rng(1).beta(2, 2, 2000) * 0.6})
    assert _states(_figures(), shifted)["shift of p"] == "over"


def test_a_shift_of_the_same_rows_smaller_than_the_slack_is_none():
    values = np.full(1000, 0.5)
    states = _states(_figures(outputs={"p": values}), _figures(outputs={"p": values + 0.001}))
    assert states["shift of p"] == "within"
    states = _states(_figures(outputs={"p": values}), _figures(outputs={"p": values + 0.1}))
    assert states["shift of p"] == "over"


def test_an_output_that_is_gone_breaks_it():
    assert _states(_figures(), _figures(outputs={}))["shift of p"] == "over"
    assert _states(_figures(), _figures(0))["shift of p"] == "waiting"


def test_too_few_requests_decide_nothing():
    states = _states(_figures(2000), _figures(50, seed=1))
    assert set(states.values()) == {"waiting"}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_distance_does_not_depend_on_the_unit(scale):
    draw = np.random.default_rng(0)
    left, right = np.sort(draw.normal(size=500)), np.sort(draw.normal(0.5, size=500))
    found = distance(left * scale, right * scale, 0.01)
    assert found == pytest.approx(distance(left, right, 0.01))
    assert 0.1 < found < 0.3


def test_the_distance_without_slack_is_that_of_kolmogorov_and_smirnov():
    from scipy.stats import ks_2samp

    for seed in range(5):
        draw = np.random.default_rng(seed)
        left, right = np.sort(draw.normal(size=80)), np.sort(draw.normal(0.3, 2, size=130))
        assert distance(left, right, 0) == pytest.approx(ks_2samp(left, right).statistic)


def test_a_range_of_none_is_measured_by_its_size():
    same = np.full(300, 40.0)
    assert distance(same, same + 0.1, 0.02) == 0
    assert distance(same, same + 10, 0.02) == 1
