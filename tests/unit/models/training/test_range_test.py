"""Which learning rate a sweep recommends, on planted curves and on a tiny network."""

import math

import numpy as np
import pytest

from contracts.errors import ModelError
from models.data.dataset import split_of
from models.training.distribution import choose_device
from models.training.range_test import (
    Curve,
    recommend,
    rising_rates,
    sweep,
    until_explosion,
)
from tests.fixtures.tiny_trainer import tiny_trainer


def _curve(noise=0.01, fall=0.4, steepest=-3.0, bottom=-1.5):
    """Falls along a sigmoid, lies flat, and rises steeply beyond the bottom."""
    rates = np.geomspace(1e-6, 1.0, 180)
    places = np.log10(rates)
    losses = 0.7 - fall / (1 + np.exp(-4 * (places - steepest)))
    losses += 2 * np.maximum(places - bottom, 0) ** 2
    return Curve(rates, losses + np.random.default_rng(0).normal(0, noise, len(rates)))


def test_the_steepest_fall_is_recommended():
    found = recommend(_curve(), "adamw", 0.001)
    assert found.steepest == pytest.approx(1e-3, rel=0.6)
    assert found.recommended == pytest.approx(found.steepest, rel=0.05)
    assert found.steepest < found.lowest < found.diverges < 0.5
    assert len(found.smoothed) == len(found.losses) == len(found.rates) == 180


def test_a_fall_just_before_the_bottom_is_too_late():
    found = recommend(_curve(steepest=-2.0, bottom=-1.9), "adamw", 0.001)
    assert found.recommended == pytest.approx(found.lowest / 10, rel=0.05)
    assert found.recommended < found.steepest


def test_a_curve_that_ends_at_its_bottom_has_no_divergence():
    whole = _curve()
    kept = whole.rates < 10**-1.6
    found = recommend(Curve(whole.rates[kept], whole.losses[kept]), "adamw", 0.001)
    assert found.diverges is None


@pytest.mark.parametrize("steps", [0, 1, 180])
def test_a_loss_that_does_not_fall_recommends_nothing(steps):
    whole = _curve(fall=0.0, noise=0.05)
    with pytest.raises(ModelError, match="no learning rate can be recommended"):
        recommend(Curve(whole.rates[:steps], whole.losses[:steps]), "adamw", 0.001)


def test_the_sweep_ends_where_the_loss_explodes():
    rates = rising_rates((1e-3, 1.0), 0)
    rising = until_explosion(rates, iter([1.0] * 20 + [50.0] * 40))
    assert 20 < len(rising.losses) < 30
    assert len(until_explosion(rates, iter([1.0, 1.0, math.nan, 1.0])).losses) == 2
    assert len(until_explosion(rates, iter([1.0] * len(rates))).rates) == len(rates)


def test_the_steps_are_an_epoch_within_bounds():
    assert len(rising_rates((1e-6, 1.0), 3)) == 150
    assert len(rising_rates((1e-6, 1.0), 200)) == 200
    rates = rising_rates((1e-6, 1.0), 10_000)
    assert len(rates) == 420
    assert (rates[0], rates[-1]) == (pytest.approx(1e-6), pytest.approx(1.0))


def test_a_tiny_network_is_swept_as_it_would_be_trained():
    values = np.random.default_rng(4).normal(size=(64, 1)).astype(np.float32)
    labels = (values[:, 0] > 0).astype(np.int64)
    spec = tiny_trainer(optimizer={"accumulate": 2}, ema={"decay": 0.9}, curriculum={}, mixup={})
    train = split_of("train", {"a": values, "y": labels}, "y")
    curve = sweep(spec, None, train, [1.0, 2.0], choose_device(), (1e-4, 1.0))
    assert len(curve.rates) == 100
    assert curve.losses[-20:].mean() < 0.7 * curve.losses[:20].mean()
