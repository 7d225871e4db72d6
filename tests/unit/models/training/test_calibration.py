"""One temperature, found where the log loss is least, and folded into the last layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from models.training.calibration import (
    calibrate,
    calibration_error,
    find_temperature,
    probabilities,
)

ROWS = 20_000


def _binary(seed, sureness):
    """Log-odds that are `sureness` times as large as the labels bear out."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(0, 2, ROWS)
    return honest * sureness, (generator.uniform(size=ROWS) < expit(honest)).astype(np.int64)


def _several(seed, sureness):
    generator = np.random.default_rng(seed)
    honest = generator.normal(0, 2, [ROWS, 4])
    ranks = np.cumsum(softmax(honest, axis=1), axis=1)
    labels = (generator.uniform(size=[ROWS, 1]) > ranks).sum(axis=1)
    return honest * sureness, np.minimum(labels, 3)


def _sum_to_one(given):
    wide = given.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True) if wide.shape[1] > 1 else wide


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 1000), st.floats(0.25, 6), st.sampled_from([_binary, _several]))
def test_a_planted_temperature_is_found(seed, sureness, make):
    logits, labels = make(seed, sureness)
    assert find_temperature(logits, labels) == pytest.approx(sureness, rel=0.08)


@pytest.mark.parametrize("make", [_binary, _several])
def test_the_temperature_is_where_the_log_loss_is_least(make):
    logits, labels = make(1, 2.5)
    found = find_temperature(logits, labels)

    def loss(temperature):
        return log_loss(labels, probabilities(logits / temperature))

    assert loss(found) < min(loss(found * 1.02), loss(found / 1.02), loss(1.0))


def test_val_distinguished_without_an_error_stays_within_bounds():
    logits = np.array([-3.0, -1.0, 2.0, 4.0])
    assert find_temperature(logits, np.array([0, 0, 1, 1])) == pytest.approx(0.05, rel=0.01)
    assert find_temperature(logits, np.array([1, 1, 0, 0])) == pytest.approx(20, rel=0.01)


def test_logits_beyond_the_range_of_probabilities_have_a_loss():
    logits = np.array([1000.0, -1000.0, 500.0, -2.0])
    assert 1 < find_temperature(logits, np.array([1, 0, 0, 0])) <= 20


def test_the_error_by_hand():
    predicted, labels = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 1, 1, 1])
    # Two bins: 0.1 said and 0.5 seen; 0.9 said and 1 seen; half of the rows in each.
    assert calibration_error(predicted, labels) == pytest.approx((0.4 + 0.1) / 2)
    several = np.array([[0.6, 0.4, 0.0], [0.1, 0.1, 0.8]])
    assert calibration_error(several, np.array([0, 0])) == pytest.approx((0.4 + 0.8) / 2)
    assert calibration_error(np.array([0.0, 1.0]), np.array([0, 1])) == 0


@pytest.mark.parametrize(("task", "classes"), [("binary", 2), ("multiclass", 3)])
def test_folding_divides_the_scores_and_nothing_else(task, classes):
    keras.utils.set_random_seed(1)
    ports = [InputSpec("x", "dense", 2), InputSpec("c", "one_hot", 5)]
    network = build_network(MlpSpec(units=(8,)), ports, OutputSpec(task, classes), keras)
    last = network.layers[-1]
    generator = np.random.default_rng(0)
    last.set_weights([generator.normal(0, 3, w.shape) for w in last.get_weights()])
    features = {
        "x": generator.normal(size=[500, 2]).astype(np.float32),
        "c": generator.integers(0, 5, [500, 1]),
    }
    labels = generator.integers(0, classes, 500)
    before = _sum_to_one(network(features).numpy())
    size = network.count_params()
    batches = [
        ({k: v[s] for k, v in features.items()}, None) for s in (slice(300), slice(300, 500))
    ]
    found = calibrate(network, batches, labels)
    after = _sum_to_one(network(features).numpy())
    assert found.temperature > 1.5  # the labels are chance, and the network was sure
    if task == "binary":
        scores = np.log(before / (1 - before))
        np.testing.assert_allclose(after, expit(scores / found.temperature), atol=2e-6)
        after, before = after[:, 0], before[:, 0]
    else:
        powers = before ** (1 / found.temperature)
        np.testing.assert_allclose(after, powers / powers.sum(1, keepdims=True), atol=2e-6)
        np.testing.assert_array_equal(after.argmax(1), before.argmax(1))
    assert network.count_params() == size
    assert found.log_loss_before == pytest.approx(log_loss(labels, before), abs=1e-5)
    assert found.log_loss_after == pytest.approx(log_loss(labels, after), abs=1e-5)
    assert found.log_loss_after < found.log_loss_before
    assert found.error_after == pytest.approx(calibration_error(after, labels), abs=1e-3)
    assert found.error_after < found.error_before
