"""Intervals of forecasts, stretched until they cover their share."""

import keras
import numpy as np
import pytest

from models.networks import OutputSpec, build_network
from models.networks.linear import LinearSpec
from models.networks.ports import InputSpec
from models.training.interval_widths import find_factors, stretch_intervals

HORIZON = 4
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def test_each_interval_covers_its_share():
    generator = np.random.default_rng(0)
    labels = generator.normal(0, 1, (2000, HORIZON))
    # All levels much too near to the median.
    distances = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    predictions = np.repeat(np.tile(distances, (2000, 1)), HORIZON, axis=1)
    inner, outer = find_factors(LEVELS, predictions, labels)
    assert (inner.low, inner.high, outer.low, outer.high) == (0.25, 0.75, 0.05, 0.95)
    assert inner.coverage_before < 0.1
    assert inner.coverage_after == pytest.approx(0.5, abs=0.001)
    assert outer.coverage_after == pytest.approx(0.9, abs=0.001)
    # The quartiles of a normal distribution are 0.6745 away from its median.
    assert inner.factor * 0.1 == pytest.approx(0.6745, abs=0.02)


def test_distances_of_zero_do_not_widen_the_others_without_end():
    generator = np.random.default_rng(0)
    labels = generator.normal(0, 1, (2000, HORIZON))
    distances = np.full((2000, HORIZON), 0.5)
    distances[:1000] = 0.0
    predictions = np.concatenate([-distances, 0 * distances, distances], axis=1)
    (scaling,) = find_factors((0.1, 0.5, 0.9), predictions, labels)
    # Of a normal distribution 80 % lie within 1.2816.
    assert scaling.factor * 0.5 == pytest.approx(1.2816, abs=0.05)
    assert scaling.coverage_after == pytest.approx(0.4, abs=0.01)


def test_the_network_gives_the_stretched_intervals():
    output = OutputSpec("forecast", horizon=HORIZON, quantiles=LEVELS)
    network = build_network(LinearSpec(kind="linear"), [InputSpec("x", "dense", 1)], output, keras)
    features = {"x": np.ones([1, 1], np.float32)}
    before = np.asarray(network(features)).reshape(5, HORIZON)[:, 0]
    labels = np.random.default_rng(0).normal(0, 3, (500, HORIZON))
    predictions = np.tile(np.asarray(network(features)), (500, 1))
    inner, outer = find_factors(LEVELS, predictions, labels)
    stretch_intervals(network, [inner, outer])
    after = np.asarray(network(features)).reshape(5, HORIZON)[:, 0]
    factors = [outer.factor, inner.factor, inner.factor, outer.factor]
    np.testing.assert_allclose(np.diff(after), np.diff(before) * factors, rtol=1e-5)
