import keras
import numpy as np
import pytest
import tensorflow as tf

from contracts.errors import ModelError
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from models.tasks import find_task
from models.training.config import CurriculumSpec, HardExamplesSpec, MixupSpec, TrainingSpec
from models.training.members import find_members
from models.training.objective import (
    Mixing,
    build_objective,
    easy_weights,
    hard_weights,
)

BINARY = OutputSpec("binary", classes=2)
FEATURES = {"a": np.linspace(-1, 1, 12, dtype=np.float32).reshape(6, 2)}
LABELS = {"binary": [0, 1, 1, 0, 1, 0], "multiclass": [0, 1, 2, 2, 1, 0], "regression": [1.0] * 6}
OUTPUTS = {
    "binary": BINARY,
    "multiclass": OutputSpec("multiclass", classes=3),
    "regression": OutputSpec("regression", mean=1.0, deviation=2.0),
}


def _network(task="binary"):
    spec = MlpSpec(units=(4,), batch_norm=False, dropout=0.0)
    return build_network(spec, [InputSpec("a", "dense", 2)], OUTPUTS[task], keras)


def _evaluate(task="binary", weight=None, **training):
    network = _network(task)
    spec = TrainingSpec.model_validate(training)
    objective = build_objective(network, OUTPUTS[task], spec, 10)
    labels = tf.constant(LABELS[task])
    predicted, loss = objective.evaluate(find_members(network), FEATURES, labels, weight)
    return predicted.numpy(), float(loss)


def test_the_task_alone_needs_no_objective():
    assert build_objective(_network(), BINARY, TrainingSpec(), 10) is None


def test_smoothed_labels_of_two_classes():
    p, loss = _evaluate(loss={"label_smoothing": 0.2})
    target = np.array(LABELS["binary"]) * 0.8 + 0.1
    wanted = -(target * np.log(p[:, 0]) + (1 - target) * np.log(1 - p[:, 0])).mean()
    assert loss == pytest.approx(wanted, rel=1e-4)


def test_smoothed_labels_of_several_classes():
    p, loss = _evaluate("multiclass", loss={"label_smoothing": 0.3})
    target = np.eye(3)[LABELS["multiclass"]] * 0.7 + 0.1
    assert loss == pytest.approx(-(target * np.log(p)).sum(axis=1).mean(), rel=1e-4)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_focal_loss_weighs_rows_by_their_error(task):
    p, loss = _evaluate(task, loss={"kind": "focal", "gamma": 3.0})
    both = np.hstack([1 - p, p]) if task == "binary" else p
    own = both[np.arange(6), LABELS[task]]
    assert loss == pytest.approx((-((1 - own) ** 3) * np.log(own)).mean(), rel=1e-4)


def test_focal_loss_is_for_classes():
    with pytest.raises(NotImplementedError, match="regression"):
        find_task("regression").shaped_loss(OUTPUTS["regression"], keras, 0.1, 0.0)


def test_rows_keep_their_weights():
    weight = tf.constant([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    p, loss = _evaluate(weight=weight, loss={"label_smoothing": 0.2})
    wanted = -(0.1 * np.log(p[0, 0]) + 0.9 * np.log(1 - p[0, 0])) / 6
    assert loss == pytest.approx(wanted, rel=1e-4)


def test_hard_rows_weigh_more_within_bounds():
    weights = hard_weights(tf.constant([0.0, 1.0, 2.0, 97.0]), HardExamplesSpec(limit=2.0)).numpy()
    assert weights.mean() == pytest.approx(1.0)
    assert weights[3] / weights[0] == pytest.approx(4.0)
    assert (np.diff(weights) >= 0).all()


def test_the_curriculum_starts_with_easy_rows_and_ends_with_all():
    rows, spec = tf.constant([4.0, 1.0, 3.0, 2.0]), CurriculumSpec(epochs=2, start=0.5)
    assert easy_weights(rows, 0.0, spec).numpy().tolist() == [0, 2, 0, 2]
    middle = easy_weights(rows, 1.0, spec).numpy()
    np.testing.assert_allclose(middle, [0, 4 / 3, 4 / 3, 4 / 3], rtol=1e-6)
    assert easy_weights(rows, 9.0, spec).numpy().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_mixtures_of_equal_rows_have_the_loss_of_the_rows(task):
    network = _network(task)
    spec = TrainingSpec.model_validate({"mixup": {"alpha": 0.4}})
    objective = build_objective(network, OUTPUTS[task], spec, 10)
    features = {"a": np.repeat(FEATURES["a"][:1], 6, axis=0)}
    labels = tf.constant(LABELS[task])
    predicted, loss = objective.evaluate(find_members(network), features, labels, None)
    np.testing.assert_allclose(predicted, network(features), rtol=1e-5)
    if task == "regression":
        wanted = float(find_task(task).loss(OUTPUTS[task], keras)(labels, predicted)[0])
        assert float(loss) == pytest.approx(wanted, rel=1e-4)


def test_mixtures_lie_nearer_to_their_own_row():
    keras.utils.set_random_seed(1)
    network = _network("regression")
    _, share = Mixing(network, MixupSpec(alpha=1.0))(FEATURES)
    assert share.shape == (6,)
    assert float(tf.reduce_min(share)) >= 0.5
    assert len(set(share.numpy().tolist())) == 6


def test_mixup_needs_the_layer_of_all_features():
    entry = keras.Input((2,), name="a")
    plain = keras.Model({"a": entry}, keras.layers.Dense(1, activation="sigmoid")(entry))
    with pytest.raises(ModelError, match="mixup cannot mix"):
        Mixing(plain, MixupSpec())
