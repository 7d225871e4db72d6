"""A linear network of a forecast starts at the weights that a ridge regression has."""

import keras
import numpy as np
import pytest

from models.data.dataset import split_of
from models.encoders.windows.encoding import window_port
from models.encoders.windows.linear import LinearEncoder
from models.encoders.windows.recurrent import GruEncoder
from models.networks import OutputSpec, build_network
from models.networks.linear import LinearSpec
from models.networks.mlp import MlpSpec
from models.networks.ports import InputSpec
from models.tasks.forecast import quantile_cube
from models.training.ridge_start import can_start_as_ridge, start_as_ridge

STEPS, HORIZON, NOISE = 60, 4, 0.2
LINEAR = LinearSpec(kind="linear")
OUTPUT = OutputSpec(
    "forecast", horizon=HORIZON, quantiles=(0.1, 0.3, 0.5, 0.7, 0.9), history="past", season=12
)


def _split(name, rows, seed):
    """A series whose lags hardly differ from one another: the level wanders, and is large."""
    generator = np.random.default_rng(seed)
    walk = np.cumsum(generator.normal(0, 0.05, rows + STEPS)) + 5
    past = np.stack([walk[row : row + STEPS] for row in range(rows)]).astype(np.float32)
    ahead = past[:, -1:] + 3 * (past[:, -1:] - past[:, -3:-2]) * np.arange(1, HORIZON + 1)
    label = 10 * (ahead + NOISE * generator.normal(size=ahead.shape)) + 100
    columns = {"past": past[:, :, None], "price": np.ones([rows, 1], np.float32), "y": label}
    return split_of(name, {key: values.astype(np.float32) for key, values in columns.items()}, "y")


def _network(encoder):
    history = window_port("past", STEPS, encoder, (100.0,), (10.0,))
    return build_network(LINEAR, [InputSpec("price", "dense", 1), history], OUTPUT, keras)


def _levels(network, split):
    matrices, _ = next(iter(_batches(split)))
    return quantile_cube(network(split.features(matrices)).numpy(), HORIZON)


def _batches(split):
    from models.data.dataset import ordered_batches

    return ordered_batches(split, split.rows, packed=True)


@pytest.mark.parametrize("normalize", ["level", "standard", "none"])
def test_it_starts_where_small_differences_of_lags_are_known(normalize):
    train, val = _split("train", 1500, 1), _split("val", 500, 2)
    network = _network(LinearEncoder(normalize=normalize))

    def val_loss():
        return float(np.abs(_levels(network, val)[:, 2] - val.labels).mean())

    penalty = start_as_ridge(network, OUTPUT, train, val_loss)
    assert penalty <= 3e-3
    # In units of the label; the mean of a normal deviate's size is 0.8 of its deviation.
    assert val_loss() < 1.25 * 0.8 * 10 * NOISE
    levels = _levels(network, val)
    # The noise is as large where a window varies little: levels in its deviations cannot know.
    near = 0.25 if normalize == "standard" else 0.15
    for low, high, share in ((0, 4, 0.8), (1, 3, 0.4)):
        inside = (val.labels >= levels[:, low]) & (val.labels <= levels[:, high])
        assert inside.mean() == pytest.approx(share, abs=near)
    again = _network(LinearEncoder(normalize=normalize))
    assert start_as_ridge(again, OUTPUT, train, None, penalty) == penalty
    np.testing.assert_allclose(_levels(again, val), levels, rtol=1e-6)


def test_a_network_with_more_to_learn_stays_as_it_is():
    train = _split("train", 50, 1)
    network = _network(GruEncoder(kind="gru", units=2))
    before = network.get_weights()
    assert start_as_ridge(network, OUTPUT, train, lambda: 0.0) is None
    for first, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(first, now)
    assert can_start_as_ridge(LINEAR, OUTPUT)
    assert not can_start_as_ridge(MlpSpec(kind="mlp"), OUTPUT)
    assert not can_start_as_ridge(LINEAR, OutputSpec("regression"))
