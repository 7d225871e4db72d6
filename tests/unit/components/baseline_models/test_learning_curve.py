"""The learning curve of the better baseline model, on small planted tables."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from components.baseline_models import estimators
from components.baseline_models import learning_curve as module
from components.baseline_models.estimators import (
    ESTIMATORS,
    Problem,
    Rows,
    fit_linear,
    fit_trees,
)
from components.baseline_models.learning_curve import CurveSetting, learning_curve
from models.networks import InputSpec

PORTS = [InputSpec(name, "dense", 1) for name in ("a", "b", "c")]
PROBLEM = Problem("binary", 2, PORTS, seed=2)
SETTING = CurveSetting("roc_auc", 0.95, lambda outcome, labels: None)


def _rows(count, seed):
    generator = np.random.default_rng(seed)
    columns = {port.name: generator.normal(size=[count, 1]).astype(np.float32) for port in PORTS}
    signal = sum(values[:, 0] for values in columns.values()) + generator.normal(size=count)
    return Rows(columns, (signal > 0).astype(np.int64))


def _measured(train=400):
    splits = {"train": _rows(train, 1), "val": _rows(200, 2), "test": _rows(300, 3)}
    names = ("linear", "trees")
    return splits, {name: ESTIMATORS[name](PROBLEM, splits) for name in names}


def test_a_linear_truth_has_the_curve_of_the_linear_model():
    splits, outcomes = _measured()
    curve = learning_curve(PROBLEM, splits, outcomes, SETTING)
    assert curve is not None
    assert (curve.model, curve.metric, curve.higher_is_better) == ("linear", "roc_auc", True)
    assert [point.rows for point in curve.points] == [48, 100, 200, 400]
    values = [point.metric.value for point in curve.points]
    assert 0.8 < values[0] <= values[-1] + 0.01 < 1
    assert curve.doubled.low <= curve.doubled.value <= curve.doubled.high
    assert (curve.train_rows, curve.test_rows) == (400, 300)


def test_the_same_seed_gives_the_same_curve():
    splits, outcomes = _measured()
    first, second = (learning_curve(PROBLEM, splits, outcomes, SETTING) for _ in range(2))
    assert first.points == second.points


def test_many_rows_are_sampled_and_their_whole_is_one_point_more(monkeypatch):
    monkeypatch.setattr(module, "_MOST_ROWS", 200)
    splits, outcomes = _measured()
    curve = learning_curve(PROBLEM, splits, outcomes, SETTING)
    assert [point.rows for point in curve.points] == [24, 50, 100, 200, 400]


def test_models_are_fitted_and_predict_on_one_thread(monkeypatch):
    splits, outcomes = _measured()
    threads, said, one_class = [], module._said, estimators._one_class

    def noted(function):
        def note(*given):
            threads.extend(pool["num_threads"] for pool in threadpool_info())
            return function(*given)

        return note

    monkeypatch.setattr(module, "_said", noted(said))
    monkeypatch.setattr(estimators, "_one_class", noted(one_class))
    for fit in (fit_linear, fit_trees):
        fit(PROBLEM, splits)
    learning_curve(PROBLEM, splits, outcomes, SETTING)
    assert set(threads) == {1}


def test_the_curve_ends_early_where_it_would_take_too_long(monkeypatch):
    monkeypatch.setattr(module, "_BUDGET_S", 0.0)
    splits, outcomes = _measured()
    assert learning_curve(PROBLEM, splits, outcomes, SETTING) is None


@pytest.mark.parametrize("train", [30, 60])
def test_too_few_rows_have_no_curve(train):
    splits, outcomes = _measured(train)
    assert learning_curve(PROBLEM, splits, outcomes, SETTING) is None
