"""A linear network of windows: a regression on many lags that resemble each other."""

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from models.encoders.windows.encoding import window_port
from models.encoders.windows.linear import LinearEncoder
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import NetworkSpec

STEPS = 168


@pytest.fixture
def days():
    generator = np.random.default_rng(4)
    time = np.arange(1_200)
    load = np.sin(2 * np.pi * time / 24) + generator.normal(0, 0.3, len(time))
    windows = np.lib.stride_tricks.sliding_window_view(load, STEPS)[:-1, :, None]
    return {"load_past": windows.astype(np.float32)}, load[STEPS:].astype(np.float32)


def _network(*ports, **keys):
    spec = TypeAdapter(NetworkSpec).validate_python({"kind": "linear", **keys})
    return build_network(spec, list(ports), OutputSpec("regression", 1), keras)


def _part(inputs, rows):
    return {name: values[rows] for name, values in inputs.items()}


def test_the_lags_of_a_window_are_learned_in_the_steps_of_a_first_run(days):
    windows, labels = days
    keras.utils.set_random_seed(1)
    network = _network(window_port("load_past", STEPS, LinearEncoder()))
    network.compile(keras.optimizers.AdamW(0.001, weight_decay=0.01), "mse")
    network.fit(_part(windows, slice(800)), labels[:800], batch_size=32, epochs=20, verbose=0)
    error = float(network.evaluate(_part(windows, slice(800, None)), labels[800:], verbose=0))
    # The label's variance is 0.59, that of its noise 0.09.
    assert error < 0.15


def test_only_windows_are_divided_by_the_root_of_their_number():
    plain = _network(InputSpec("hour", "dense", 2)).get_layer("scaled_features")
    assert plain.scale == 30.0
    window = window_port("load_past", 4, LinearEncoder())
    both = _network(InputSpec("hour", "dense", 2), window).get_layer("scaled_features")
    assert list(both.scale[:2]) == [30.0, 30.0]
    assert set(both.scale[2:]) == {15.0}
