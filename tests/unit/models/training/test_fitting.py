import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.data.dataset import ordered_batches, split_of, train_batches
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from models.training import fitting
from models.training.config import TrainingSpec
from models.training.fitting import compile_model, fit

OUTPUT = OutputSpec("binary", classes=2)


def _split(name, rows):
    values = np.random.default_rng(rows).normal(size=(rows, 2)).astype(np.float32)
    return split_of(name, {"a": values, "y": (values[:, 0] > 0).astype(np.int64)}, "y")


def _fit(epochs=3):
    keras.utils.set_random_seed(5)
    train, val = _split("train", 100), _split("val", 40)
    network = build_network(MlpSpec(units=(4,)), [InputSpec("a", "dense", 2)], OUTPUT, keras)
    spec = TrainingSpec(epochs=epochs, batch_size=32)
    model = compile_model(network, OUTPUT, spec, 4, train.features)
    batches = train_batches(train, 32, 7, packed=True)
    outcome = fit(model, batches, ordered_batches(val, packed=True), spec, None)
    return model, val, outcome, network.get_weights()


def _numbers(history):
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in history]


@pytest.fixture(scope="module")
def fitted():
    return _fit()


def test_one_iterator_trains_what_an_iterator_an_epoch_did(fitted, monkeypatch):
    monkeypatch.setattr(fitting, "_endless", lambda train, _: {"x": train})
    _, _, outcome, weights = _fit()
    assert _numbers(outcome.history) == _numbers(fitted[2].history)
    for before, now in zip(weights, fitted[3], strict=True):
        np.testing.assert_array_equal(before, now)


def test_a_step_is_traced_once(monkeypatch):
    traces, step = [], fitting.MonitoredModel.train_step

    def counted(model, data):
        traces.append(data)
        return step(model, data)

    monkeypatch.setattr(fitting.MonitoredModel, "train_step", counted)
    _fit(epochs=2)
    assert len(traces) == 1


def test_val_in_memory_gives_what_keras_evaluates(fitted):
    model, val, outcome, _ = fitted
    whole = model.evaluate(ordered_batches(val, packed=True), verbose=0, return_dict=True)
    entry = outcome.history[outcome.best_epoch - 1]
    for name in ("loss", "roc_auc", "pr_auc"):
        assert entry[f"val_{name}"] == pytest.approx(whole[name], rel=1e-6)


def test_many_epochs_log_few_lines(caplog):
    log = fitting.EpochLog(epochs=300)
    log.set_model(type("Model", (), {"optimizer": type("Rate", (), {"learning_rate": 0.1})()})())
    with caplog.at_level(logging.INFO, logger="models.training.fitting"):
        for epoch in range(300):
            log.on_epoch_end(epoch, {"loss": 0.5, "val_loss": 0.5})
        log.on_train_end()
    assert len(log.history) == 300
    assert len(caplog.records) == 51
    assert "epoch 300" in caplog.records[-1].message


def test_long_epochs_keep_an_iterator_each():
    train = tf.data.Dataset.range(40).batch(1)
    assert fitting._endless(train, 32) == {"x": train}
    assert fitting._steps_per_execution(1000) == 32
    assert fitting._steps_per_execution(256) == 256
