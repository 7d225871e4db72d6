"""The metrics of the evidence: scikit-learn's values, influences, and counts of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from evidence.bootstrap import Draws, bootstrap, draw
from evidence.groups import groups_by_code, groups_of, whole
from evidence.measures import Outcome, measure, values, why_not
from evidence.metric_names import metric_names
from evidence.moments import Stacked, mean, ratio


def outcome(task, rows=600, seed=1, classes=4):
    random = np.random.default_rng(seed)
    if task == "regression":
        labels = random.normal(3, 2, rows)
        return Outcome(task, labels, (labels + random.normal(0, 1, rows)).astype(np.float32), None)
    if task == "multiclass":
        labels = random.integers(0, classes, rows)
        odds = np.exp(random.normal(0, 1, (rows, classes)) + 1.2 * np.eye(classes)[labels])
        return Outcome(task, labels, (odds / odds.sum(1, keepdims=True)).astype(np.float32), None)
    truth = random.normal(-1, 1.5, rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    scores = 1 / (1 + np.exp(-(truth + random.normal(0, 0.5, rows))))
    return Outcome(task, labels, scores.astype(np.float32), 0.31)


def by_sklearn(metric, labels, scores, threshold):
    wide = np.asarray(scores, np.float64)
    if wide.ndim == 2:
        called = wide.argmax(1)
        return {
            "accuracy": lambda: reference.accuracy_score(labels, called),
            "macro_f1": lambda: reference.f1_score(labels, called, average="macro"),
            "weighted_f1": lambda: reference.f1_score(labels, called, average="weighted"),
            "log_loss": lambda: reference.log_loss(labels, wide, labels=range(wide.shape[1])),
        }[metric]()
    if threshold is None:
        return {
            "rmse": lambda: reference.root_mean_squared_error(labels, wide),
            "mae": lambda: reference.mean_absolute_error(labels, wide),
            "r2": lambda: reference.r2_score(labels, wide),
        }[metric]()
    called = wide >= threshold
    return {
        "roc_auc": lambda: reference.roc_auc_score(labels, wide),
        "pr_auc": lambda: reference.average_precision_score(labels, wide),
        "f1": lambda: reference.f1_score(labels, called),
        "precision": lambda: reference.precision_score(labels, called),
        "recall": lambda: reference.recall_score(labels, called),
        "accuracy": lambda: reference.accuracy_score(labels, called),
        "log_loss": lambda: reference.log_loss(labels, wide),
        "calibration": lambda: wide.sum() / labels.sum(),
    }[metric]()


CASES = [
    (task, metric)
    for task in ("binary", "multiclass", "regression")
    for metric in metric_names(task)
]
# TFMA puts scores into 10,000 buckets, and interpolates between precisions.
TOLERANCE = {"roc_auc": 1e-3, "pr_auc": 1e-2}


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_values_of_overlapping_groups_are_those_of_scikit_learn(task, metric):
    one = outcome(task)
    members = [np.arange(600), np.arange(0, 600, 3), np.arange(150, 400)]
    found = values(metric, one, groups_of(members))
    for value, rows in zip(found, members, strict=True):
        expected = by_sklearn(metric, one.labels[rows], one.scores[rows], one.threshold)
        assert value == pytest.approx(expected, abs=TOLERANCE.get(metric, 1e-6))


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_a_counted_row_weighs_as_often_as_it_is_repeated(task, metric):
    one = outcome(task, 120)
    # Class 3 keeps the place of the last class in every group.
    members = [np.arange(0, 90), np.arange(40, 120)]
    counts = draw(120, 5, 0, 3)
    found = measure(metric, one, groups_of(members)).at(counts)
    for resample, weights in enumerate(counts):
        for group, rows in enumerate(members):
            repeated = np.repeat(rows, weights[rows])
            again = Outcome(task, one.labels[repeated], one.scores[repeated], one.threshold)
            expected = values(metric, again, whole(len(repeated)))[0]
            assert found[resample, group] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_the_influence_is_the_derivative_by_a_rows_weight(task, metric):
    one = outcome(task, 200)
    groups = groups_of([np.arange(150), np.arange(60, 200)])
    ready = measure(metric, one, groups)
    influence, members = ready.influence(), groups.members
    heavy = np.full((1, 200), 100, np.int64)
    before = ready.at(heavy)[0]
    for place in range(0, len(influence), 17):
        heavier = heavy.copy()
        heavier[0, groups.rows[place]] += 1
        slope = (ready.at(heavier)[0] - before)[members[place]] * 100
        assert slope == pytest.approx(influence[place], abs=2e-2 * np.abs(influence).max())
    for group in range(2):
        assert influence[members == group].sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_influences_foretell_the_bootstraps_standard_error(task, metric):
    one = outcome(task, 1500)
    ready = measure(metric, one, whole(1500))
    drawn = bootstrap({"it": ready}, Draws(1500, 600, 3))["it"][:, 0]
    assert np.sqrt((ready.influence() ** 2).sum()) == pytest.approx(drawn.std(), rel=0.12)


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(0, 2)), min_size=2, max_size=80
    )
)
@settings(deadline=None, max_examples=60)
def test_the_area_counts_pairs_with_ties_by_half(rows):
    labels, places, codes = np.array(rows).T
    # Scores in the middle of distinct buckets, so that bucketing changes nothing.
    one = Outcome("binary", labels, ((places + 0.5) / 50).astype(np.float32), 0.5)
    groups, kept = groups_by_code(codes)
    for value, code in zip(values("roc_auc", one, groups), kept, strict=True):
        inside = codes == code
        if len(set(labels[inside])) < 2:
            assert np.isnan(value)
        else:
            expected = reference.roc_auc_score(labels[inside], places[inside])
            assert value == pytest.approx(expected, abs=1e-9)


def test_a_class_that_only_later_groups_have_counts_zero_as_in_tfma():
    labels, called = np.array([0, 0, 1, 3]), np.array([0, 1, 1, 3])
    one = Outcome("multiclass", labels, np.eye(5, dtype=np.float32)[called], None)
    first, second = values("macro_f1", one, groups_of([np.arange(3), np.arange(4)]))
    assert first == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert second == pytest.approx((2 / 3 + 2 / 3 + 0 + 1) / 4)


def test_what_cannot_be_computed_is_nan_and_says_why():
    labels = np.array([0] * 10 + [1] * 10)
    one = Outcome("binary", labels, np.linspace(0, 1, 20).astype(np.float32), 2.0)
    groups = groups_of([np.arange(10), np.arange(12), np.arange(20)])
    assert np.isnan(values("roc_auc", one, groups)).tolist() == [True, False, False]
    assert np.isnan(values("pr_auc", one, groups)).tolist() == [True, False, False]
    assert np.isnan(values("precision", one, groups)).all()
    assert np.isfinite(values("log_loss", one, groups)).all()
    said = why_not("roc_auc", one, groups)
    assert said == ["all rows have the same label", "fewer than 5 rows of one class", None]
    assert why_not("precision", one, groups) == ["precision cannot be computed"] * 3
    constant = Outcome("regression", np.ones(9), np.arange(9, dtype=np.float32), None)
    assert np.isnan(values("r2", constant, whole(9))).all()


def test_stacked_figures_are_the_figures():
    random = np.random.default_rng(0)
    a, b = random.random((2, 50))
    counts = draw(50, 1, 0, 4)
    together = Stacked([mean(a), ratio(a, b)]).at(counts)
    assert together[:, 0] == pytest.approx((counts * a).sum(1) / 50)
    assert together[:, 1] == pytest.approx((counts * a).sum(1) / (counts * b).sum(1))


def test_no_groups_have_no_values():
    for task, metric in CASES:
        ready = measure(metric, outcome(task, 30), groups_of([]))
        assert ready.at(np.ones((2, 30), np.uint8)).shape == (2, 0)
        assert ready.influence().shape == (0,)
