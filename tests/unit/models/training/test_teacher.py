"""A teacher of boosted trees: no row's label reaches its own target, and the mixture is learned."""

import json

import keras
import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import ConfigError, ModelError
from models.data.dataset import split_of
from models.data.fold_rule import FoldRule
from models.tasks import find_task
from models.training.config import can_add_teacher
from models.training.distribution import choose_device
from models.training.learning import fit_network
from models.training.teacher import describe_teacher, fit_teacher
from tests.fixtures.tiny_trainer import tiny_trainer

ROWS, KEYS = 240, 24
KEY = np.arange(ROWS) % KEYS
BY_KEY = FoldRule(by="key", columns=("day",))


def _labels(seed=0):
    return np.random.default_rng(seed).integers(0, 2, ROWS)


def _split(labels, count=ROWS):
    values = np.random.default_rng(1).normal(size=(count, 1)).astype(np.float32)
    return split_of("train", {"a": values, "y": labels}, "y")


def _spec(rule=BY_KEY, **teacher):
    settings = {"folds": 3, "rounds": 3, "leaves": 4, **teacher}
    spec = tiny_trainer(epochs=2, schedule={"kind": "constant"}, teacher=settings)
    return spec.model_copy(update={"fold_rule": rule})


def _keys(names):
    assert tuple(names) == ("day",)
    return pa.table({"day": [f"day {key}" for key in KEY]})


def _fit(labels, weights=None, **teacher):
    train, places = _split(labels), np.arange(ROWS)
    fitted, taught, report = fit_teacher(_spec(**teacher), None, train, places, _keys, weights)
    return fitted, taught, report, fitted.predict(train, places)


def test_no_label_reaches_the_predictions_of_its_own_fold():
    labels = _labels()
    teacher, _, first, before = _fit(labels)
    for fold in range(3):
        apart = teacher.folds == fold
        other, _, report, after = _fit(np.where(apart, 1 - labels, labels))
        np.testing.assert_array_equal(other.folds, teacher.folds)
        np.testing.assert_array_equal(before[apart], after[apart])
        assert not np.allclose(before[~apart], after[~apart])
        assert report.digest != first.digest


def test_rows_of_one_key_are_left_out_together():
    teacher, *_ = _fit(_labels())
    assert all(len(set(teacher.folds[key == KEY])) == 1 for key in range(KEYS))
    assert np.bincount(teacher.folds).tolist() == [80, 80, 80]


def test_the_order_of_the_rows_decides_nothing():
    labels = _labels()
    *_, first, predicted = _fit(labels)
    order = np.random.default_rng(3).permutation(ROWS)
    train = _split(labels)
    shuffled = split_of(
        "train", {"a": train.memory.matrices["float32"][order], "y": labels[order]}, "y"
    )
    fitted, _, report = fit_teacher(_spec(), None, shuffled, order, _keys, None)
    np.testing.assert_allclose(fitted.predict(shuffled, order), predicted[order], rtol=1e-6)
    assert report.metrics["roc_auc"] == pytest.approx(first.metrics["roc_auc"], abs=1e-6)


def test_targets_are_labels_and_predictions_mixed_and_labels_stay():
    labels = _labels()
    _, taught, report, predicted = _fit(labels, weight=0.25)
    targets = np.concatenate([m["targets"].numpy() for m in taught.packed])[:, 0]
    np.testing.assert_allclose(targets, 0.75 * labels + 0.25 * predicted, rtol=1e-6)
    np.testing.assert_array_equal(taught.labels, labels)
    assert (report.weight, report.folds, report.by, report.rows) == (0.25, 3, "key", ROWS)
    assert len(report.digest) == 64


def test_a_sample_is_fitted_and_every_row_predicted():
    _, _, report, predicted = _fit(_labels(), sample_rows=150)
    assert report.rows == 150
    assert len(predicted) == ROWS
    assert np.isfinite(predicted).all()


def test_rows_after_train_get_the_mean_of_all_fits():
    labels = _labels()
    teacher, *_ = _fit(labels)
    more = _split(np.append(labels, [0, 1]), ROWS + 2)
    predicted = teacher.predict(more, np.arange(ROWS + 2))
    matrix = more.memory.matrices["float32"][ROWS:]
    ((_, models),) = teacher.parts
    means = np.mean([scorer(matrix)[:, 1] for scorer in models.scorers], axis=0)
    np.testing.assert_allclose(predicted[ROWS:], means, rtol=1e-6)


def _numbers(kind, learned, scale="standard", **teacher):
    """A teacher of numbers; the feature is standard normal."""
    settings = {"folds": 3, "rounds": 40, "leaves": 4, "kind": kind, **teacher}
    spec = tiny_trainer("regression", {"scale": scale}, teacher=settings)
    values = _split(np.zeros(ROWS)).memory.matrices["float32"]
    labels = learned(values[:, 0]).astype(np.float32)
    train = split_of("train", {"a": values, "y": labels}, "y")
    return labels, *fit_teacher(spec, None, train, np.arange(ROWS), _keys, None)


def test_a_blend_is_of_the_model_that_the_rows_left_out_like():
    *_, line = _numbers("blend", lambda value: 3 * value)
    *_, steps = _numbers("blend", np.sign)
    assert (line.tree_share, line.rounds) == (0, 0)
    assert line.metrics["r2"] > 0.999
    assert steps.tree_share > 0.9
    assert 0 < steps.rounds <= 40
    assert describe_teacher(line, "r2").startswith("3 fits of a linear model on 240 rows")


@pytest.mark.parametrize("scale", ["standard", "log1p", "quantile"])
def test_numbers_are_predicted_in_the_unit_of_the_label(scale):
    labels, _, taught, report = _numbers("linear", lambda value: np.exp(4 + value / 2), scale)
    targets = np.concatenate([m["targets"].numpy() for m in taught.packed])[:, 0]
    assert np.corrcoef(targets, labels)[0, 1] > 0.9
    assert report.metrics["r2"] > (0.8 if scale == "standard" else 0.95)


def test_of_several_classes_all_have_a_probability():
    settings = {"kind": "blend", "folds": 2, "rounds": 3}
    spec = tiny_trainer("multiclass", {"classes": [0, 1, 2]}, teacher=settings)
    labels = np.arange(ROWS) % 3
    train = split_of("train", {"a": _split(labels).memory.matrices["float32"], "y": labels}, "y")
    teacher, *_ = fit_teacher(spec, None, train, np.arange(ROWS), _keys, None)
    predicted = teacher.predict(train, np.arange(ROWS))
    assert predicted.shape == (ROWS, 3)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)


def test_classes_are_weighed_as_the_network_weighs_them():
    *_, plain = _fit(_labels())
    *_, weighed = _fit(_labels(), weights=[1.0, 9.0])
    assert weighed.mean() > plain.mean() + 0.2


def test_a_network_learns_the_targets_and_is_judged_by_labels():
    labels = (np.random.default_rng(1).normal(size=ROWS) > 0).astype(np.int64)
    _, taught, _, _ = _fit(labels)
    splits = {"train": _split(labels), "val": _split(labels)}

    def weights_and_history(train):
        keras.utils.set_random_seed(1)
        spec = _spec() if train is taught else tiny_trainer(epochs=2, schedule={"kind": "constant"})
        network, outcome = fit_network(
            spec, None, {**splits, "train": train}, None, choose_device(), None
        )
        return np.concatenate([w.ravel() for w in network.get_weights()]), outcome.history

    taught_weights, taught_history = weights_and_history(taught)
    plain_weights, _ = weights_and_history(splits["train"])
    assert not np.allclose(taught_weights, plain_weights)
    # A metric of the targets themselves would call every row positive.
    assert 0 < taught_history[-1]["roc_auc"] <= 1


@pytest.mark.parametrize(
    ("task", "labels", "predicted", "wanted"),
    [
        ("binary", [0, 1], [0.5, 0.5], [[0.25], [0.75]]),
        ("regression", [0.0, 4.0], [2.0, 2.0], [[1.0], [3.0]]),
        ("multiclass", [2, 0], [[1.0, 0, 0], [0.5, 0.5, 0]], [[0.5, 0, 0.5], [0.75, 0.25, 0]]),
    ],
)
def test_each_task_mixes_in_its_own_form(task, labels, predicted, wanted):
    mixed = find_task(task).mixed_targets(np.array(labels), np.array(predicted), 0.5)
    np.testing.assert_allclose(mixed, wanted)
    assert mixed.dtype == np.float32


def test_several_machines_are_refused(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    with pytest.raises(ConfigError, match="several machines train together"):
        _fit(_labels())


def test_rows_of_one_class_are_refused():
    with pytest.raises(ModelError, match="leave rows of one class"):
        _fit(np.zeros(ROWS, np.int64))


def test_too_few_keys_name_the_teacher():
    train = _split(_labels())

    def two_days(names):
        return pa.table({names[0]: KEY % 2})

    with pytest.raises(ConfigError, match="too few keys for 3 folds") as error:
        fit_teacher(_spec(), None, train, np.arange(ROWS), two_days, None)
    assert error.value.where == "training.teacher.folds"


@pytest.mark.parametrize(
    ("training", "possible"),
    [({}, True), ({"teacher": {}}, False), ({"loss": {"kind": "focal"}}, False)],
)
def test_a_teacher_is_advised_where_it_can_be_added(training, possible):
    spec = tiny_trainer(**training)
    assert can_add_teacher(spec.training, spec.problem) is possible
