import numpy as np
import pytest

from contracts.errors import ConfigError, ModelError
from contracts.results.training import OperatingPoint
from models.data.labels import check_labels, class_weights, constant_guess_loss
from models.features.spec import FeaturesSpec
from models.tasks import find_task

NUMERIC = {"x": {"type": "numeric"}}


def score(task, *arguments):
    return find_task(task).val_metrics(*arguments)


def _problem(task, **label):
    return FeaturesSpec.model_validate(
        {"task": task, "label": {"name": "late", **label}, "features": NUMERIC}
    )


BINARY = _problem("binary", classes=["no", "yes"])
REGRESSION = _problem("regression")


def test_an_unknown_class_is_refused_by_the_labels_name():
    with pytest.raises(ModelError) as caught:
        check_labels(BINARY, np.array([0, 1, -1, -1]), "val")
    text = str(caught.value)
    assert "'late'" in text
    assert "2 rows of split 'val'" in text
    assert "no, yes" in text


def test_a_missing_number_is_refused():
    with pytest.raises(ModelError, match="'late'"):
        check_labels(REGRESSION, np.array([1.0, np.nan]), "train")


def test_a_split_without_rows_is_refused():
    with pytest.raises(ModelError, match="'train' has no rows"):
        check_labels(BINARY, np.zeros([0]), "train")


def test_good_labels_pass():
    check_labels(BINARY, np.array([0, 1]), "train")
    check_labels(REGRESSION, np.array([0.0, -1.0]), "train")


def test_balanced_weights_give_each_class_the_same_total():
    labels = np.array([0] * 9 + [1] * 3)
    weights = class_weights(BINARY, labels, "balanced")
    assert weights is not None
    assert weights[0] * 9 == pytest.approx(weights[1] * 3)
    assert np.mean(np.take(weights, labels)) == pytest.approx(1.0)


def test_named_weights_default_to_one():
    assert class_weights(BINARY, np.array([0, 1]), {"yes": 3.0}) == [1.0, 3.0]
    assert class_weights(BINARY, np.array([0, 1]), "none") is None


def test_weights_for_no_class_are_refused():
    with pytest.raises(ConfigError, match="'maybe'"):
        class_weights(BINARY, np.array([0, 1]), {"maybe": 3.0})
    with pytest.raises(ConfigError, match="regression"):
        class_weights(REGRESSION, np.array([0.0, 1.0]), "balanced")


def test_the_constant_guess_loss_is_the_weighted_entropy():
    labels = np.array([0] * 9 + [1] * 3)
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert constant_guess_loss(BINARY, labels, None) == pytest.approx(expected)
    weights = class_weights(BINARY, labels, "balanced")
    assert constant_guess_loss(BINARY, labels, weights) == pytest.approx(np.log(2))
    assert constant_guess_loss(REGRESSION, np.array([1.0, 2.0]), None) == 1.0


def _point(*values):
    return OperatingPoint(**dict(zip(OperatingPoint.model_fields, values, strict=True)))


def test_binary_scores_on_a_case_done_by_hand():
    point = _point(0.5, 0.25, 1, 0, 2, 1)
    scores = score("binary", np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.15, 0.9]), point)
    assert scores["roc_auc"] == pytest.approx(0.75)
    assert scores["precision"] == 1.0
    assert scores["recall"] == 0.5
    assert scores["f1"] == pytest.approx(2 / 3)
    assert scores["accuracy"] == 0.75
    assert scores["calibration"] == pytest.approx(1.35 / 2)


def test_what_one_class_alone_cannot_give_is_none():
    scores = score("binary", np.array([0, 0]), np.array([0.1, 0.2]), _point(1, 0, 0, 0, 2, 0))
    assert scores["roc_auc"] is None
    assert scores["recall"] is None


def test_multiclass_and_regression_scores():
    scores = score("multiclass", np.array([0, 1]), np.array([[0.8, 0.2], [0.6, 0.4]]), None)
    assert scores["accuracy"] == 0.5
    assert scores["log_loss"] == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    scores = score("regression", np.array([1.0, 3.0]), np.array([1.0, 2.0]), None)
    assert scores["rmse"] == pytest.approx(np.sqrt(0.5))
    assert scores["mae"] == 0.5
    assert scores["r2"] == pytest.approx(0.5)
