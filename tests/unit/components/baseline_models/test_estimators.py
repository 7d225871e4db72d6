"""Baseline models: right in form, better than chance where there is a signal, else not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from threadpoolctl import threadpool_limits

from components.baseline_models.estimators import (
    ESTIMATORS,
    Problem,
    Rows,
    fit_linear,
    fit_majority,
    fit_trees,
)
from components.baseline_models.prediction_cost import prediction_cost
from models.data.design import learn_linear, learn_trees
from models.networks import InputSpec

PORTS = [
    InputSpec("number", "dense", 1),
    InputSpec("circle", "dense", 2),
    InputSpec("few", "one_hot", 6),
    InputSpec("many", "embedding", 300, 4),
]
CLASSES = {"binary": 2, "multiclass": 3, "regression": 0}


def _split(task, rows, seed, shuffled=False):
    generator = np.random.default_rng(seed)
    columns = {
        "number": generator.normal(size=[rows, 1]).astype(np.float32),
        "circle": generator.normal(size=[rows, 2]).astype(np.float32),
        "few": generator.integers(0, 6, [rows, 1]),
        "many": generator.integers(0, 300, [rows, 1]),
    }
    signal = columns["number"][:, 0] + (columns["few"][:, 0] == 2) * 2.0
    signal += generator.normal(0, 0.5, rows)
    labels = {
        "binary": (signal > 0.5).astype(np.int64),
        "multiclass": np.digitize(signal, [-0.5, 1.0]),
        "regression": (500 + 20 * signal).astype(np.float32),
    }[task]
    return Rows(columns, generator.permutation(labels) if shuffled else labels)


def _splits(task, rows=2000, **settings):
    return {
        name: _split(task, count, seed, **settings)
        for seed, (name, count) in enumerate({"train": rows, "val": 400, "test": 1500}.items())
    }


def _problem(task):
    return Problem(task, CLASSES[task], PORTS, seed=5)


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_scores_have_the_form_of_the_networks(task, name):
    outcome = ESTIMATORS[name](_problem(task), _splits(task))
    assert set(outcome.scores) == {"val", "test"}
    scores = outcome.scores["test"]
    assert scores.dtype == np.float32
    assert scores.shape == ((1500, 3) if task == "multiclass" else (1500,))
    if task != "regression":
        assert ((scores >= 0) & (scores <= 1)).all()
    if task == "multiclass":
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_the_majority_is_the_distribution_of_train():
    splits = _splits("multiclass")
    said = fit_majority(_problem("multiclass"), splits).scores["test"]
    shares = np.bincount(splits["train"].labels) / 2000
    np.testing.assert_allclose(said, np.tile(shares, (1500, 1)), rtol=1e-6)
    splits = _splits("regression")
    said = fit_majority(_problem("regression"), splits).scores["val"]
    np.testing.assert_allclose(said, splits["train"].labels.mean(dtype=np.float64), rtol=1e-6)
    splits = _splits("binary")
    said = fit_majority(_problem("binary"), splits).scores["val"]
    np.testing.assert_allclose(said, splits["train"].labels.mean(), rtol=1e-6)


@pytest.mark.parametrize("fit", [fit_linear, fit_trees])
def test_a_signal_is_found(fit):
    splits = _splits("binary")
    auc = roc_auc_score(splits["test"].labels, fit(_problem("binary"), splits).scores["test"])
    assert auc > 0.9
    splits = _splits("multiclass")
    scores = fit(_problem("multiclass"), splits).scores["test"]
    assert (scores.argmax(axis=1) == splits["test"].labels).mean() > 0.7
    splits = _splits("regression")
    scores = fit(_problem("regression"), splits).scores["test"]
    assert r2_score(splits["test"].labels, scores) > 0.7


@pytest.mark.parametrize("name", ESTIMATORS)
def test_shuffled_labels_are_worth_no_more_than_chance(name):
    splits = _splits("binary", shuffled=True)
    auc = roc_auc_score(
        splits["test"].labels, ESTIMATORS[name](_problem("binary"), splits).scores["test"]
    )
    positives = splits["test"].labels.sum()
    # The standard error of an AUC by chance (Mann-Whitney), four times.
    error = np.sqrt((1500 + 1) / (12 * positives * (1500 - positives)))
    assert abs(auc - 0.5) < 4 * error


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_rows_and_labels_of_test_have_no_say(name):
    splits = _splits("binary")
    before = ESTIMATORS[name](_problem("binary"), splits)
    other = {**splits, "test": Rows(splits["test"].columns, 1 - splits["test"].labels)}
    after = ESTIMATORS[name](_problem("binary"), other)
    np.testing.assert_array_equal(before.scores["test"], after.scores["test"])
    assert before.settings == after.settings


def test_val_chooses_how_many_trees():
    splits = _splits("binary", rows=300, shuffled=True)
    settings = fit_trees(_problem("binary"), splits).settings
    # Noise is learned by the first trees; the search ends long before its last round.
    assert 1 <= settings["iterations"] < settings["of"] == 50
    assert settings["by_frequency"] == ["many"]
    assert settings["categories"] == 1


def test_a_fit_that_ends_early_says_so():
    splits = _splits("binary")
    settings = fit_linear(_problem("binary"), splits).settings
    assert settings["converged"]
    assert settings["C"] in (0.03, 0.3, 1.0, 3.0, 30.0)
    assert settings["penalties_tried"] >= 2


def _five_classes(rows):
    """Five classes of a curved truth, which take many rounds of boosting."""
    generator = np.random.default_rng(rows)
    columns = {
        "number": generator.normal(size=[rows, 1]).astype(np.float32),
        "circle": generator.normal(size=[rows, 2]).astype(np.float32),
        "few": generator.integers(0, 6, [rows, 1]),
        "many": generator.integers(0, 300, [rows, 1]),
    }
    x, (y, z) = columns["number"][:, 0], columns["circle"].T
    signal = x * y + np.sin(3 * z) + 0.5 * x + generator.normal(0, 0.2, rows)
    return Rows(columns, np.digitize(signal, [-1.0, -0.3, 0.3, 1.0]))


def test_the_linear_baseline_of_many_rows_is_as_good_as_scikit_learns_default():
    splits = {
        "train": _five_classes(21_000),
        "val": _five_classes(3000),
        "test": _five_classes(4000),
    }
    outcome = fit_linear(Problem("multiclass", 5, PORTS, seed=5), splits)
    assert outcome.settings["penalties_tried"] >= 2
    design = learn_linear(PORTS, splits["train"].columns)
    model = LogisticRegression().fit(design.matrix(splits["train"].columns), splits["train"].labels)
    theirs = log_loss(
        splits["test"].labels, model.predict_proba(design.matrix(splits["test"].columns))
    )
    assert log_loss(splits["test"].labels, outcome.scores["test"]) <= theirs + 0.002


def test_trees_of_many_classes_get_as_many_rounds_as_scikit_learns_default():
    splits = {
        name: _five_classes(rows) for name, rows in (("train", 1500), ("val", 700), ("test", 900))
    }
    outcome = fit_trees(Problem("multiclass", 5, PORTS, seed=5), splits)
    design = learn_trees(PORTS, splits["train"].columns)
    model = HistGradientBoostingClassifier(
        categorical_features=design.categorical(), random_state=5
    )
    with threadpool_limits(1):
        model.fit(design.matrix(splits["train"].columns), splits["train"].labels)
        said = model.predict_proba(design.matrix(splits["test"].columns))
    theirs = log_loss(splits["test"].labels, said)
    assert outcome.settings["of"] >= 100
    assert log_loss(splits["test"].labels, outcome.scores["test"]) <= theirs + 0.002


@pytest.mark.parametrize("fit", [fit_linear, fit_trees])
def test_a_class_that_train_lacks_has_no_probability(fit):
    splits = _splits("multiclass")
    known = splits["train"].labels != 1
    columns = {name: values[known] for name, values in splits["train"].columns.items()}
    splits["train"] = Rows(columns, splits["train"].labels[known])
    scores = fit(_problem("multiclass"), splits).scores["test"]
    np.testing.assert_array_equal(scores[:, 1], 0)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("fit", [fit_linear, fit_trees])
def test_one_class_leaves_its_share(fit):
    splits = _splits("binary")
    splits["train"] = Rows(splits["train"].columns, np.zeros(2000, np.int64))
    np.testing.assert_array_equal(fit(_problem("binary"), splits).scores["test"], 0)


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_handful_of_rows_is_enough(task, name):
    splits = {key: _split(task, 30, seed) for seed, key in enumerate(("train", "val", "test"))}
    scores = ESTIMATORS[name](_problem(task), splits).scores["test"]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("task", CLASSES)
def test_a_fitted_model_answers_other_rows_as_it_did_those_of_test(task):
    splits = _splits(task, rows=300)
    for fit in ESTIMATORS.values():
        outcome = fit(_problem(task), splits)
        few = {name: values[:7] for name, values in splits["test"].columns.items()}
        np.testing.assert_allclose(outcome.predict(few), outcome.scores["test"][:7], rtol=1e-6)


def test_what_a_prediction_costs_is_measured_on_the_model_that_val_chose():
    splits = _splits("binary", rows=300)
    costs, outcomes = {}, {}
    for name, fit in ESTIMATORS.items():
        outcomes[name] = fit(_problem("binary"), splits)
        costs[name] = prediction_cost(outcomes[name].fitted, splits["test"].columns)
        assert costs[name].row_us > costs[name].bulk_row_us > 0
    assert costs["majority"].bytes < costs["linear"].bytes < costs["trees"].bytes
    _, trees = outcomes["trees"].fitted.learned
    assert trees.n_iter_ == outcomes["trees"].settings["iterations"]


def test_without_rows_to_predict_no_cost_is_measured():
    splits = _splits("binary", rows=300)
    empty = {name: values[:0] for name, values in splits["test"].columns.items()}
    assert prediction_cost(fit_majority(_problem("binary"), splits).fitted, empty) is None


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_refit_on_train_gives_the_model_that_val_chose(task, name):
    splits = _splits(task, rows=300)
    outcome = ESTIMATORS[name](_problem(task), splits)
    again = outcome.refit(splits["train"]).predict(splits["test"].columns)
    # Val's logistic regression went on from a stronger penalty; this one begins anew.
    np.testing.assert_allclose(again, outcome.scores["test"], rtol=2e-3, atol=0.02)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_refit_learns_from_the_rows_that_it_is_given(name):
    splits = _splits("regression", rows=300)
    outcome = ESTIMATORS[name](_problem("regression"), splits)
    moved = Rows(splits["train"].columns, splits["train"].labels + np.float32(1000))
    again = outcome.refit(moved).predict(splits["test"].columns)
    np.testing.assert_allclose(again - outcome.scores["test"], 1000, atol=1)


def test_a_refit_may_bring_a_class_that_train_did_not_have():
    splits = _splits("multiclass", rows=300)
    two = {**splits, "train": Rows(splits["train"].columns, splits["train"].labels % 2)}
    for fit in (fit_linear, fit_trees):
        says = (
            fit(_problem("multiclass"), two).refit(splits["train"]).predict(splits["test"].columns)
        )
        assert set(says.argmax(axis=1)) == {0, 1, 2}
