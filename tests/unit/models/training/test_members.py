"""Each member of an ensemble learns by its own loss; what is served is the mean."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score

from contracts.errors import ModelError
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import LinearSpec, MlpSpec
from models.training.config import TrainingSpec
from models.training.fitting import compile_model, fit
from models.training.members import MemberPredictions, Members, OneMember, find_members
from models.training.objective import build_objective

INPUTS = [InputSpec("x", "dense", 4)]
OUTPUTS = {
    "binary": OutputSpec("binary", 2),
    "multiclass": OutputSpec("multiclass", 3),
    "regression": OutputSpec("regression", mean=5.0, deviation=2.0),
}
STILL = {"optimizer": {"kind": "sgd", "learning_rate": 1e-3}, "schedule": {"kind": "constant"}}


def _network(task, **fields):
    keras.utils.set_random_seed(0)
    spec = MlpSpec(**{"units": (6,), "batch_norm": False, "dropout": 0.0} | fields)
    return build_network(spec, INPUTS, OUTPUTS[task], keras)


def _rows(count=32):
    return np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)


@pytest.mark.parametrize("sharing", ["none", "shared"])
@pytest.mark.parametrize("task", OUTPUTS)
def test_the_mean_of_the_members_scores_is_what_is_served(task, sharing):
    network = _network(task, members=3, sharing=sharing, linear_path=sharing == "none")
    rows = {"x": tf.constant(_rows())}
    predicted = find_members(network).predict(rows)
    served = np.asarray(network(rows, training=False))
    members = np.asarray(predicted.members).reshape(3, 32, -1)
    np.testing.assert_allclose(predicted.mean, served, atol=1e-6)
    assert members.std(axis=0).max() > 1e-2
    if task == "multiclass":
        mean = np.exp(np.log(members).mean(axis=0))
        mean /= mean.sum(axis=1, keepdims=True)
    elif task == "binary":
        mean = 1 / (1 + np.exp(-np.log(members / (1 - members)).mean(axis=0)))
    else:
        mean = members.mean(axis=0)
    np.testing.assert_allclose(mean, served, rtol=1e-4)


def test_a_member_learns_as_it_would_alone():
    """The loss of the mean would give each of them a gradient of what the others leave over."""
    together = _network("regression", members=2)
    training = TrainingSpec.model_validate({"epochs": 1} | STILL)
    rows, labels = _rows(), np.linspace(0, 10, 32, dtype=np.float32)
    alone = _network("regression")
    first = together.get_layer("member_0_block_0")
    alone.get_layer("block_0").set_weights(first.get_weights())
    kernel, bias = together.get_layer("standardised").get_weights()
    alone.get_layer("standardised").set_weights([kernel[:6], bias])
    for network in (together, alone):
        # Half of the loss of two members is one member's: its step is twice as long.
        rate = 1e-2 if network is together else 5e-3
        optimizer = {"kind": "sgd", "learning_rate": rate, "momentum": 0, "clip_norm": None}
        spec = training.model_copy(
            update={"optimizer": training.optimizer.model_validate(optimizer)}
        )
        model = compile_model(network, OUTPUTS["regression"], spec, 1)
        batches = tf.data.Dataset.from_tensors(({"x": rows}, labels, np.ones(32, np.float32)))
        model.fit(batches, verbose=0)
    np.testing.assert_allclose(
        first.kernel.numpy(), alone.get_layer("block_0").kernel.numpy(), atol=1e-6
    )


def test_a_single_network_has_no_members():
    assert isinstance(find_members(_network("binary")), OneMember)


@pytest.mark.parametrize("mixup", [None, {"alpha": 0.5}])
def test_members_learn_from_mixtures_and_hard_rows_too(mixup):
    network = _network("binary", members=2)
    settings = {"epochs": 2, "mixup": mixup, "hard_examples": {"power": 1.0}}
    training = TrainingSpec.model_validate(settings)
    labels = (_rows()[:, 0] > 0).astype(np.float32)
    batches = tf.data.Dataset.from_tensors(({"x": _rows()}, labels, np.ones(32, np.float32)))
    before = [layer.get_weights() for layer in network.layers]
    outcome = fit(
        compile_model(network, OUTPUTS["binary"], training, 1), batches, batches, training, None
    )
    assert 0 < outcome.history[0]["loss"] < 3
    moved = [
        not np.array_equal(now, then)
        for layer, old in zip(network.layers, before, strict=True)
        for now, then in zip(layer.get_weights(), old, strict=True)
    ]
    assert all(moved)


def test_a_head_without_a_dense_layer_is_refused():
    entry = keras.Input([4], name="x")
    mean = keras.layers.Rescaling(0.5, name="mean_of_members")(entry)
    network = keras.Model(entry, keras.layers.Activation("sigmoid")(mean))
    with pytest.raises(ModelError, match=r"head begins with a dense layer"):
        Members(network, entry)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_linear_network_does_as_well_as_scikit_learn_on_a_line(task):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(6000, 4)).astype(np.float32)
    rows[:, 1] += rows[:, 0]
    scores = rows @ np.array([1.5, -1.0, 0.5, 0.1]) + 0.5
    binary = task == "binary"
    labels = scores + (generator.logistic if binary else generator.normal)(size=6000)
    labels = (labels > 0).astype(np.float32) if binary else labels.astype(np.float32)
    train, val, test = slice(0, 2000), slice(2000, 4000), slice(4000, None)
    deviation = float(labels[train].std())
    output = OutputSpec("binary", 2) if binary else OutputSpec("regression", 0, 0.5, deviation)
    keras.utils.set_random_seed(0)
    network = build_network(LinearSpec(kind="linear"), INPUTS, output, keras)
    training = TrainingSpec.model_validate({"epochs": 12, "batch_size": 128})
    batches = [
        tf.data.Dataset.from_tensor_slices(({"x": rows[part]}, labels[part])).batch(128).cache()
        for part in (train, val)
    ]
    fit(compile_model(network, output, training, 16), *batches, training, None)
    predicted = np.asarray(network({"x": rows[test]}))[:, 0]
    if binary:
        best = LogisticRegression().fit(rows[train], labels[train]).decision_function(rows[test])
        gap = roc_auc_score(labels[test], best) - roc_auc_score(labels[test], predicted)
    else:
        best = Ridge().fit(rows[train], labels[train]).predict(rows[test])
        gap = r2_score(labels[test], best) - r2_score(labels[test], predicted)
    assert gap < 0.005, gap


class _Alone(OneMember):
    """A member whose predictions are known."""

    def __init__(self, predicted):
        self._predicted = predicted

    def predict(self, features):
        return MemberPredictions(self._predicted, self._predicted)


@pytest.mark.parametrize("sharing", ["none", "shared"])
@pytest.mark.parametrize(
    "training",
    [
        {"loss": {"kind": "focal", "label_smoothing": 0.1}},
        {"hard_examples": {"power": 1.5}},
        {"curriculum": {"start": 0.3}},
        {"mixup": {}, "loss": {"label_smoothing": 0.1}, "hard_examples": {}, "curriculum": {}},
    ],
)
def test_the_loss_of_members_is_the_mean_of_what_each_has_alone(sharing, training, monkeypatch):
    network = _network("binary", members=2, sharing=sharing)
    spec = TrainingSpec.model_validate(training)
    rows, weights = {"x": tf.constant(_rows())}, np.linspace(0.5, 2, 32, dtype=np.float32)
    # Labels that fit the second member better: its rows must not count as the easy ones of both.
    predicted = find_members(network).predict(rows)
    parts = tf.split(predicted.members, 2)
    labels = tf.cast(parts[1][:, 0] > np.median(parts[1]), tf.float32)
    share = tf.linspace(0.5, 1.0, 32)

    def loss_of(members):
        objective = build_objective(network, OUTPUTS["binary"], spec, 10)
        if spec.mixup:
            both = members.predict(rows)
            monkeypatch.setattr(objective, "mixing", lambda features: (both, share))
        return float(objective.evaluate(members, rows, labels, weights)[1])

    together = loss_of(find_members(network))
    alone = [loss_of(_Alone(part)) for part in parts]
    assert alone[0] != pytest.approx(alone[1], rel=1e-3)
    assert together == pytest.approx(np.mean(alone), rel=1e-5)
