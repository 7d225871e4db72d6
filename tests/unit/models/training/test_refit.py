"""The fit on train and val repeats the first one: its epochs, its rates, its start."""

import numpy as np
import pytest

from models.data.dataset import split_of
from models.training.calibration import divide_scores
from models.training.distribution import choose_device
from models.training.learning import fit_network, predict, refit_network
from tests.fixtures.tiny_trainer import tiny_trainer


def _rows(count, seed):
    values = np.random.default_rng(seed).normal(size=(count, 1)).astype(np.float32)
    return {"a": values, "y": (values[:, 0] > 0).astype(np.int64)}


@pytest.fixture(scope="module")
def parts():
    train, val = _rows(64, 1), _rows(32, 2)
    both = {name: np.concatenate([train[name], val[name]]) for name in train}
    columns = {"train": train, "val": val, "train and val": both}
    return {name: split_of(name, values, "y") for name, values in columns.items()}


def _spec(**training):
    plateau = {"kind": "plateau", "patience": 1, "factor": 0.1}
    defaults = {"epochs": 3, "schedule": plateau, "optimizer": {"learning_rate": 0.05}}
    return tiny_trainer(**defaults | training)


def _first(spec, parts):
    return fit_network(spec, None, parts, None, choose_device(), None)


def _again(spec, parts, rows, first):
    labels = parts["train"].labels
    return refit_network(spec, None, labels, parts[rows], None, choose_device(), first)


def test_on_the_same_rows_it_is_the_first_fit_up_to_its_best_epoch(parts):
    import keras

    spec = _spec(early_stopping=None, ema={"decay": 0.9})
    keras.utils.set_random_seed(spec.seed)
    network, first = _first(spec, parts)
    repeated, refit = _again(spec, parts, "train", first)
    assert (refit.rows, refit.epochs) == (64, first.best_epoch)
    assert refit.loss == pytest.approx(first.history[first.best_epoch - 1]["loss"], rel=1e-5)
    np.testing.assert_allclose(
        predict(repeated, parts["val"]), predict(network, parts["val"]), atol=1e-5
    )


def test_it_learns_from_val_too(parts):
    spec = _spec()
    network, first = _first(spec, parts)
    refitted, refit = _again(spec, parts, "train and val", first)
    assert refit.rows == 96
    before, after = predict(network, parts["val"]), predict(refitted, parts["val"])
    assert not np.allclose(before, after, atol=1e-4)
    divide_scores(refitted, 2.0)
    halved = predict(refitted, parts["val"])
    np.testing.assert_allclose(2 * _logit(halved), _logit(after), atol=1e-3)


def _logit(probabilities):
    return np.log(probabilities / (1 - probabilities))
