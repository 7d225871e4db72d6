"""Attributions add up, are exact where the truth is known, and ignore what the model ignores."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.export import explanation
from models.export.encoding import EncodedFeature, Encoding
from models.export.explanation import (
    integrated_gradients,
    permutation_importance,
    raw_permutation_importance,
)
from models.export.loaded_model import LoadedModel, load_model
from tests import small_model

FEATURES = (
    EncodedFeature("a", ("a",), "numeric", 0, 1, False),
    EncodedFeature("b", ("b",), "cyclic", 1, 3, False),
    EncodedFeature("idle", ("idle",), "numeric", 3, 5, True),
)


def model_of(score, reference=(0.0,) * 5):
    """A model whose score is any function of five encoded columns."""
    about = Encoding("regression", "y", (), FEATURES, tuple(reference), None)
    return LoadedModel(Path("none"), about, SimpleNamespace(score=score, head=score))


def linear(weights):
    return lambda matrix: tf.linalg.matmul(matrix, tf.constant(weights, tf.float32)[:, None]) + 3.0


@pytest.mark.parametrize("task", small_model.LABELS)
@pytest.mark.parametrize("units", [(8,), (64, 32)])
def test_attributions_add_up_to_the_difference_in_score(tmp_path, task, units):
    model = load_model(small_model.write(tmp_path, task, small_model.network(task, units)))
    rows = np.random.default_rng(1).normal(scale=3, size=(5, small_model.WIDTH))
    for row in rows:
        target = 1 if task == "multiclass" else None
        found = integrated_gradients(model, row, target)
        total = sum(found.by_feature.values())
        difference = found.score - found.reference_score
        assert total == pytest.approx(difference, abs=1e-3 * max(1, abs(difference)))
        assert found.residual == pytest.approx(difference - total, abs=1e-6)
        assert list(found.by_feature) == list(small_model.FEATURES)


def test_a_classs_score_is_its_log_odds(tmp_path):
    model = load_model(small_model.write(tmp_path, "multiclass"))
    row = np.random.default_rng(2).normal(size=small_model.WIDTH)
    for target in range(3):
        probability = model.head(row[None])[0, target]
        found = integrated_gradients(model, row, target)
        assert found.score == pytest.approx(np.log(probability / (1 - probability)), abs=1e-4)
    with pytest.raises(ValueError, match="which of the classes"):
        integrated_gradients(model, row)


@settings(deadline=None, max_examples=25)
@given(
    weights=st.lists(st.floats(-5, 5, width=32), min_size=5, max_size=5),
    row=st.lists(st.floats(-5, 5, width=32), min_size=5, max_size=5),
    reference=st.lists(st.floats(-5, 5, width=32), min_size=5, max_size=5),
)
def test_a_linear_model_is_explained_exactly(weights, row, reference):
    found = integrated_gradients(model_of(linear(weights), reference), np.array(row))
    parts = np.array(weights) * (np.array(row) - np.array(reference))
    wanted = {"a": parts[0], "b": parts[1:3].sum(), "idle": parts[3:].sum()}
    assert found.by_feature == pytest.approx(wanted, abs=1e-3)
    assert found.steps == 64


def test_a_curved_score_takes_as_many_points_as_it_needs():
    steep = model_of(lambda matrix: tf.sigmoid(400.0 * (matrix[:, :1] - 0.503)))
    found = integrated_gradients(steep, np.ones(5))
    assert found.steps > 64
    assert found.by_feature["a"] == pytest.approx(1.0, abs=2e-3)
    assert found.by_feature["idle"] == 0


def _importance(weights, repeats=20, seed=0, noise=0.5):
    generator = np.random.default_rng(5)
    encoded = generator.normal(size=(800, 5)).astype(np.float32)
    labels = encoded @ np.array([2.0, 1.0, 0.0, 0.0, 0.0]) + generator.normal(0, noise, 800)

    def loss(rows, predicted):
        return float(np.mean((labels[rows] - predicted) ** 2))

    return permutation_importance(model_of(linear(weights)), encoded, loss, repeats, 0.95, seed)


def test_features_share_calls_and_get_the_same_importance(monkeypatch):
    calls = []

    def importance():
        def head(matrix):
            calls.append(len(matrix))
            return tf.tanh(matrix[:, :1] + matrix[:, 1:2] * matrix[:, 3:4])

        encoded = np.random.default_rng(5).normal(size=(40, 5)).astype(np.float32)

        def loss(rows, predicted):
            return float(np.mean((encoded[rows, 0] - predicted) ** 2))

        return permutation_importance(model_of(head), encoded, loss, 3, 0.95, seed=1)

    together = importance()
    assert calls == [40, *[len(FEATURES) * 40] * 3]
    calls.clear()
    monkeypatch.setattr(explanation, "BATCH_ROWS", 40)
    assert importance() == together
    assert calls == [40] * (1 + 3 * len(FEATURES))


def test_importance_is_the_loss_that_permuting_costs():
    a, b, idle = _importance([2.0, 1.0, 0.0, 0.0, 0.0])
    # Mean squared error grows by twice the variance of what the feature contributes.
    assert a.low < 8 < a.high
    assert b.low < 2 < b.high
    assert (idle.value, idle.low, idle.high) == (0, 0, 0)
    assert a.value == pytest.approx(8, rel=0.1)


def test_a_feature_that_says_nothing_of_the_label_covers_zero_most_of_the_time():
    # The model listens a little to `idle`, symmetrically: its permutation changes nothing
    # on average but the rows' luck.
    found = [
        _importance([2.0, 1.0, 0.0, 1e-3, 0.0], repeats=10, seed=seed)[2] for seed in range(20)
    ]
    assert sum(one.low <= 0 <= one.high for one in found) >= 18


def test_equal_seeds_give_equal_importance_and_others_do_not():
    assert _importance([2, 1, 0, 0, 0], 3, seed=1) == _importance([2, 1, 0, 0, 0], 3, seed=1)
    assert _importance([2, 1, 0, 0, 0], 3, seed=1) != _importance([2, 1, 0, 0, 0], 3, seed=2)


def test_more_rows_make_the_interval_narrower():
    generator = np.random.default_rng(7)
    encoded = generator.normal(size=(20_000, 5)).astype(np.float32)
    labels = encoded[:, 0]

    def width(rows):
        found = permutation_importance(
            model_of(linear([1, 0, 0, 0, 0])),
            encoded[:rows],
            lambda places, predicted: float(np.mean((labels[places] - predicted) ** 2)),
            20,
            0.95,
            3,
        )
        return found[0].high - found[0].low

    assert width(20_000) < width(500) / 3


def test_permuting_raw_columns_costs_what_permuting_encoded_ones_does(tmp_path):
    model = load_model(small_model.write(tmp_path))
    generator = np.random.default_rng(7)
    columns = {
        "x": generator.normal(size=50).astype(np.float32),
        "the_count": generator.integers(0, 50, 50).astype(np.float32),
        "hour": generator.uniform(0, 24, 50).astype(np.float32),
        "flag": generator.integers(0, 2, 50).astype(np.float32),
        "color": generator.choice(["red", "green", "blue"], 50).astype(object),
        "code": generator.integers(0, 8, 50),
    }
    labels = generator.integers(0, 2, 50)

    def loss(rows, predicted):
        return float(np.mean((labels[rows] - predicted) ** 2))

    features = {
        entry.feature: (model.encoding.inputs[entry.feature],) for entry in model.encoding.features
    }
    encoded = permutation_importance(model, model.encode(columns), loss, 3, 0.95, seed=2)
    raw = raw_permutation_importance(model, columns, features, loss, 3, 0.95, seed=2)
    assert [one.feature for one in raw] == [one.feature for one in encoded]
    for one, other in zip(raw, encoded, strict=True):
        assert (one.value, one.low, one.high) == pytest.approx(
            (other.value, other.low, other.high), abs=1e-6
        )
