import keras
import numpy as np
import pytest
import tensorflow as tf

from models.networks import OutputSpec
from models.training.averages import WeightAverage, average_decay
from models.training.config import AverageSpec, StoppingSpec, TrainingSpec
from models.training.fitting import compile_model, fit


def _network():
    entry = keras.Input((3,), name="a")
    hidden = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.Dense(4)(entry))
    return keras.Model({"a": entry}, keras.layers.Dense(1, activation="sigmoid")(hidden))


def test_the_decay_is_given_or_follows_from_epochs():
    assert average_decay(AverageSpec(decay=0.99), 10) == 0.99
    assert average_decay(AverageSpec(epochs=2), 50) == pytest.approx(np.exp(-0.01))
    with pytest.raises(ValueError, match="either decay"):
        AverageSpec()


def test_weights_and_statistics_are_averaged_and_exchanged():
    network = _network()
    average = WeightAverage(network, decay=0.9)
    start = [weight.numpy() for weight in network.weights]
    for weight in network.weights:
        weight.assign(weight + 1.0)
    average.update()
    kept = 2 / 11  # the first step forgets most of the start
    average.swap()
    for weight, before in zip(network.get_weights(), start, strict=True):
        np.testing.assert_allclose(weight, before + (1 - kept), rtol=1e-5)
    average.swap()
    np.testing.assert_allclose(network.get_weights()[0], start[0] + 1, rtol=1e-6)


@pytest.mark.parametrize(("rate", "kept"), [(3.0, "average"), (0.003, "raw")])
@pytest.mark.parametrize("stops", [True, False])
def test_the_better_weights_of_both_are_kept(rate, kept, stops):
    keras.utils.set_random_seed(2)
    rows = np.random.default_rng(2).normal(size=(64, 3)).astype(np.float32)
    labels = (rows[:, 0] + np.random.default_rng(3).normal(size=64) > 0).astype(np.int64)
    batches = tf.data.Dataset.from_tensor_slices(({"a": rows}, labels)).batch(16)
    spec = TrainingSpec.model_validate(
        {
            "epochs": 3,
            "optimizer": {"kind": "sgd", "learning_rate": rate, "clip_norm": None},
            "schedule": {"kind": "constant"},
            "early_stopping": StoppingSpec() if stops else None,
            "ema": {"decay": 0.9},
        }
    )
    network = _network()
    model = compile_model(network, OutputSpec("binary", classes=2), spec, 4)
    outcome = fit(model, batches, batches, spec, None)
    assert outcome.kept == kept
    entries = outcome.history if stops else outcome.history[-1:]
    lowest = min(min(e["val_loss"], e["val_average_loss"]) for e in entries)
    entry = outcome.history[outcome.best_epoch - 1]
    assert entry["val_average_loss" if kept == "average" else "val_loss"] == lowest
    assert "val_lower_loss" not in entry
    loss = float(keras.losses.BinaryCrossentropy()(labels, network({"a": rows})))
    assert loss == pytest.approx(lowest, rel=1e-5)
