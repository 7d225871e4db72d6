"""Predictions of a logarithm keep the label's mean once that is undone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from models.networks import OutputSpec
from models.tasks import find_task
from models.tasks.label_scale import scaled_output
from models.training.smearing import smear


def _network(output: OutputSpec) -> keras.Model:
    features = keras.Input([1])
    return keras.Model(features, find_task("regression").head(output, keras.layers)(features))


def test_the_mean_is_kept_where_the_logarithm_was_learned() -> None:
    rng = np.random.default_rng(3)
    numbers = rng.normal(size=[4000, 1]).astype(np.float32)
    labels = np.expm1(2 + 0.5 * numbers[:, 0] + rng.normal(size=4000))
    output = scaled_output(OutputSpec("regression"), "log1p", labels)
    network = _network(output)
    slope = 0.5 / output.deviation
    network.get_layer("standardised").set_weights(
        [np.array([[slope]]), np.array([(2 - output.mean) / output.deviation])]
    )
    before = network.predict(numbers, verbose=0)[:, 0]
    assert before.mean() < 0.7 * labels.mean()
    factor = smear(network, output, labels, before)
    after = network.predict(numbers, verbose=0)[:, 0]
    # exp of half the variance of the noise, which is 1.
    assert factor == pytest.approx(np.exp(0.5), rel=0.1)
    assert after.mean() == pytest.approx(labels.mean(), rel=1e-4)
    assert np.square(after - labels).mean() < np.square(before - labels).mean()


def test_other_scales_and_broken_fits_are_left_alone() -> None:
    labels = np.array([1.0, 2.0, 4.0])
    plain = OutputSpec("regression", mean=2.0)
    network = _network(plain)
    weights = network.get_weights()
    assert smear(network, plain, labels, labels) == 1.0
    scaled = scaled_output(OutputSpec("regression"), "log1p", labels)
    assert smear(network, scaled, labels, np.full(3, np.nan)) == 1.0
    for kept, weight in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)
