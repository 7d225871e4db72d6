"""A label that is learned in another unit: undone by the network, safe to learn, and checked."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from pydantic import ValidationError

from contracts.errors import ModelError
from models.data.labels import check_labels
from models.data.transformed import output_spec
from models.features.spec import FeaturesSpec
from models.networks import InputSpec, build_network
from models.networks.spec import MlpSpec
from models.tasks import find_task
from models.tasks.label_scale import to_label, to_learned

LABELS = np.random.default_rng(0).lognormal(3, 1.5, 500).astype(np.float32)
PORTS = [InputSpec("x", "dense", 1)]
MODULES = pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])


def problem(scale, task="regression"):
    return FeaturesSpec.model_validate(
        {
            "task": task,
            "label": {"name": "y", "scale": scale},
            "features": {"x": {"type": "boolean"}},
        }
    )


def predictions(module, output, standardised):
    """What a network gives whose last dense layer gives these numbers."""
    network = build_network(MlpSpec(units=(1,), batch_norm=False), PORTS, output, module)
    head = network.get_layer("standardised").output
    undo = module.Model(head, network.output)
    return network, undo(np.array(standardised, np.float32)[:, None])


@MODULES
@pytest.mark.parametrize("scale", ["log1p", "quantile"])
def test_a_network_predicts_in_the_labels_own_unit(module, scale, tmp_path):
    output = output_spec(problem(scale), LABELS)
    network, predicted = predictions(module, output, np.linspace(-2, 2, 9))
    predicted = np.asarray(predicted)[:, 0]
    assert (np.diff(predicted) > 0).all()
    middle = np.expm1(np.log1p(LABELS).mean()) if scale == "log1p" else np.median(LABELS)
    np.testing.assert_allclose(predicted[4], middle, rtol=0.05)
    loss = find_task("regression").loss(output, module)
    expected = (np.linspace(-2, 2, 9) - np.linspace(-2, 2, 9)[::-1]) ** 2
    np.testing.assert_allclose(loss(predicted[::-1].copy(), predicted), expected, atol=1e-3)
    network.save(tmp_path / "network.keras")
    again = module.models.load_model(tmp_path / "network.keras", compile=False)
    row = {"x": np.ones((1, 1), np.float32)}
    np.testing.assert_array_equal(np.asarray(again(row)), np.asarray(network(row)))


@pytest.mark.parametrize("scale", ["log1p", "quantile"])
def test_a_prediction_far_off_has_a_finite_loss_and_gradient(scale):
    output = output_spec(problem(scale), LABELS)
    _, predicted = predictions(keras, output, [-1e6, -10.0, 0.0, 10.0, 1e6])
    assert np.isfinite(predicted).all()
    far = tf.Variable([[-1.0], [-0.5], [0.0], [1e9]])
    with tf.GradientTape() as tape:
        loss = find_task("regression").loss(output, keras)(tf.constant(LABELS[:4]), far)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, far)).all()


@pytest.mark.parametrize("labels", [np.full(9, 7.0, np.float32), np.array([0, 0, 0, 5.0])])
@pytest.mark.parametrize("scale", ["log1p", "quantile"])
def test_labels_of_one_or_two_values_are_learned(scale, labels):
    output = output_spec(problem(scale), labels)
    learned = (np.log1p(labels.max()) - output.mean) / output.deviation
    if scale == "quantile":
        learned = (np.interp(labels.max(), output.values, output.scores) - output.mean) / (
            output.deviation
        )
    _, predicted = predictions(keras, output, [learned])
    np.testing.assert_allclose(predicted, [[labels.max()]], rtol=1e-5)


def test_a_scale_needs_a_number_and_a_logarithm_needs_labels_above_minus_one():
    with pytest.raises(ValidationError, match="a binary task learns standard, not log1p"):
        problem("log1p", "binary")
    with pytest.raises(ModelError, match="has no log1p in 1 rows of split 'val'") as caught:
        check_labels(problem("log1p"), np.array([3.0, -1.0]), "val")
    assert "label.scale" in caught.value.where
    check_labels(problem("quantile"), np.array([3.0, -1.0]), "val")
    check_labels(problem("log1p"), np.array([3.0, -0.9]), "val")


def test_nothing_changes_where_no_scale_is_named():
    output = output_spec(problem("standard"), LABELS)
    assert (output.mean, output.deviation) == (
        float(np.mean(LABELS, dtype=np.float64)),
        float(np.std(LABELS, dtype=np.float64)),
    )
    network, _ = predictions(keras, output, [0.0])
    assert [layer.name for layer in network.layers][-2:] == ["standardised", "prediction"]


@pytest.mark.parametrize("scale", ["standard", "log1p", "quantile"])
def test_labels_come_back_from_the_unit_that_is_learned(scale):
    output = output_spec(problem(scale), LABELS)
    learned = to_learned(output, LABELS)
    assert np.std(learned) == pytest.approx(output.deviation, rel=1e-4)
    np.testing.assert_allclose(to_label(output, learned), LABELS, rtol=1e-5)
    # As the network itself, never beyond what it can say.
    assert np.isfinite(to_label(output, np.array([-1e6, 1e6]))).all()
