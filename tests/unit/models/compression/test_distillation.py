import keras
import numpy as np
import pytest

from models.compression.spec import DistilledSpec
from models.compression.techniques.distillation import (
    DistillationLoss,
    student_inputs,
)
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import CnnSpec, MlpSpec, ResidualSpec, TransformerSpec

INPUTS = [InputSpec("n", "dense", 2), InputSpec("w", "embedding", 50, 8)]


def _loss(task, label, taught, predicted, **fields):
    spec = DistilledSpec.model_validate({"weights": "distilled", **fields})
    both = np.concatenate([np.reshape(label, [-1, 1]), taught], axis=1).astype(np.float32)
    loss = DistillationLoss(task, spec, OutputSpec(task, deviation=2.0))
    return float(loss(both, np.asarray(predicted, np.float32)))


def test_a_student_is_narrower_throughout():
    assert MlpSpec(units=(128, 64, 1)).student(0.5, None).units == (64, 32, 1)
    cnn = CnnSpec(kind="cnn", shape=(8, 8, 1), filters=(16, 32), units=(64,))
    assert cnn.student(0.25, None).filters == (4, 8)
    residual = ResidualSpec(kind="residual", units=(8, 8), width=4).student(0.5, None)
    assert (residual.units, residual.width) == ((4, 4), 2)
    transformer = TransformerSpec(kind="transformer").student(0.5, None)
    assert (transformer.width, transformer.heads, transformer.units) == (16, 2, 32)
    assert [port.dimension for port in student_inputs(INPUTS, 0.5)] == [None, 4]
    output = OutputSpec("binary", 2)
    teacher = build_network(MlpSpec(units=(32, 16)), INPUTS, output, keras)
    student = build_network(
        MlpSpec(units=(32, 16)).student(0.5, None), student_inputs(INPUTS, 0.5), output, keras
    )
    assert student.count_params() < 0.5 * teacher.count_params()


def test_a_student_of_an_ensemble_may_have_one_member():
    ensemble = MlpSpec(units=(8,), members=4, sharing="shared", linear_path=True)
    one = ensemble.student(1.0, 1)
    assert (one.members, one.sharing, one.units, one.linear_path) == (1, "none", (8,), True)
    assert ensemble.student(0.5, None).members == 4


def test_labels_alone_give_the_plain_loss():
    label, predicted = np.array([0, 1]), np.array([[0.2], [0.9]])
    plain = float(keras.losses.BinaryCrossentropy()(label[:, None].astype("float32"), predicted))
    assert _loss("binary", label, [[0.5], [0.5]], predicted, alpha=1) == pytest.approx(plain)
    several = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    plain = -np.mean(np.log([0.2, 0.8]))
    given = _loss("multiclass", np.array([1, 2]), np.full([2, 3], 1 / 3), several, alpha=1)
    assert given == pytest.approx(plain, rel=1e-5)
    assert _loss("regression", [3.0], [[9.0]], [[1.0]], alpha=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("task", "taught", "other"),
    [
        ("binary", [[0.3], [0.8]], [[0.8], [0.3]]),
        ("multiclass", [[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]], [[0.1, 0.3, 0.6], [0.6, 0.2, 0.2]]),
        ("regression", [[1.0], [5.0]], [[2.0], [3.0]]),
    ],
)
def test_the_teacher_alone_is_matched_best_by_its_own_answers(task, taught, other):
    label = np.array([0, 1])
    own = _loss(task, label, taught, taught, alpha=0)
    assert own < _loss(task, label, taught, other, alpha=0)
    nudged = np.asarray(taught) * 0.98
    assert own <= _loss(task, label, taught, nudged / max(1, nudged.sum()), alpha=0)
