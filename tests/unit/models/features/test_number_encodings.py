"""Numbers that are scaled by their ranks and encoded by bins: graph, layers and numpy alike."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.preparation import Preparation, RowPreparation
from models.features import quantiles
from models.features.layers import layer_classes
from models.features.numeric import NumericSpec
from models.features.periodic import Waves, periodic_port
from models.features.piecewise import piecewise_port
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import CnnSpec, MlpSpec
from tests.fixtures.raw_feature import raw_feature

VALUES = st.floats(-1e6, 1e6, width=32)
KNOTS = st.lists(st.integers(-1000, 1000), min_size=2, max_size=9, unique=True).map(sorted)
PORTS = [
    piecewise_port("a", [-1.0, 0.0, 0.5, 2.0]),
    InputSpec("plain", "dense", 1),
    piecewise_port("b", [0.0, 1.0]),
]
ROWS = {
    name: np.array(values, np.float32)[:, None]
    for name, values in {"a": [-9.0, 0.25, 1.0], "plain": [1.0, 2.0, 3.0], "b": [0, 1, 0.5]}.items()
}


def _by_formula(column, knots):
    """Gorishniy et al. 2022, (x - b) / (b' - b), within the knots."""
    low, high = np.array(knots[:-1], np.float64), np.array(knots[1:], np.float64)
    return np.clip((column - low) / (high - low), 0, 1)


@settings(max_examples=20, deadline=None)
@given(st.lists(KNOTS, min_size=1, max_size=3), st.lists(VALUES, min_size=1, max_size=4))
def test_a_number_is_encoded_by_how_far_it_has_come_through_each_bin(knots, values):
    layer = layer_classes(keras.layers.Layer)["piecewise"](knots)
    columns = [np.array(values, np.float32)[:, None] + i for i in range(len(knots))]
    received = layer([tf.constant(column) for column in columns])
    for column, own, encoded in zip(columns, knots, received, strict=True):
        np.testing.assert_allclose(encoded, _by_formula(column, own), atol=1e-6)


def test_equal_bounds_make_no_bin_and_a_column_of_one_value_has_one():
    assert piecewise_port("x", [0.0, 0.0, 0.0, 1.0, 2.0, 2.0]).knots == (0.0, 1.0, 2.0)
    assert piecewise_port("x", [3.0] * 17).knots == (3.0, 4.0)
    assert piecewise_port("x", [0.0, 1e-9, 1.0]).knots == (0.0, 1.0)


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_a_network_encodes_its_columns_by_one_layer_under_both_kerases(module, tmp_path):
    spec = MlpSpec(units=(3,), batch_norm=False)
    network = build_network(spec, PORTS, OutputSpec("binary", 2), module)
    layers = [layer for layer in network.layers if "piecewise" in layer.name]
    assert len(layers) == 1
    assert not layers[0].weights
    joined = module.Model(network.input, network.get_layer("features").output)
    wanted = [[0, 0, 0, 1, 0], [1, 0.5, 0, 2, 1], [1, 1, 1 / 3, 3, 0.5]]
    np.testing.assert_allclose(np.asarray(joined(ROWS)), wanted, atol=1e-6)
    network.save(tmp_path / "network.keras")
    loaded = module.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(np.asarray(loaded(ROWS)), np.asarray(network(ROWS)))


WAVES = Waves(frequencies=5, frequency_scale=0.3, width=3)
PERIODIC = [
    periodic_port("a", WAVES),
    InputSpec("plain", "dense", 1),
    periodic_port("b", WAVES),
    periodic_port("c", Waves(frequencies=2, frequency_scale=0.1, width=4)),
]
PERIODIC_ROWS = {**ROWS, "c": ROWS["a"]}


def _by_waves(column, frequencies, phases, mixtures, offsets):
    """Holzmüller et al. 2024: x beside W cos(2 pi (f x + p)) + b."""
    cosines = np.cos(2 * np.pi * (column.astype(np.float64) * frequencies + phases))
    return np.concatenate([column, cosines @ mixtures + offsets], axis=1)


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_a_number_stands_beside_mixtures_of_its_cosines_under_both_kerases(module, tmp_path):
    module.utils.set_random_seed(3)
    spec = MlpSpec(units=(3,), batch_norm=False)
    network = build_network(spec, PERIODIC, OutputSpec("binary", 2), module)
    together, alone = [layer for layer in network.layers if "periodic" in layer.name]
    joined = np.asarray(
        module.Model(network.input, network.get_layer("features").output)(PERIODIC_ROWS)
    )
    np.testing.assert_array_equal(joined[:, 3:4], PERIODIC_ROWS["plain"])
    for layer, index, name, place in (
        (together, 0, "a", slice(0, 3)),
        (together, 1, "b", slice(4, 7)),
        (alone, 0, "c", slice(7, 11)),
    ):
        weights = [np.asarray(weight)[index] for weight in layer.weights]
        wanted = _by_waves(PERIODIC_ROWS[name], *weights)
        np.testing.assert_allclose(joined[:, place], wanted, atol=1e-5)
    network.save(tmp_path / "network.keras")
    loaded = module.models.load_model(tmp_path / "network.keras")
    answers = np.asarray(network(PERIODIC_ROWS))
    np.testing.assert_array_equal(np.asarray(loaded(PERIODIC_ROWS)), answers)


def test_a_network_learns_a_wave_by_its_frequencies():
    keras.utils.set_random_seed(1)
    numbers = np.linspace(-2, 2, 256, dtype=np.float32)[:, None]
    wave = np.sin(9 * numbers)
    errors = {}
    for port in (periodic_port("x", Waves(16, 1.0, 16)), InputSpec("x", "dense", 1)):
        spec = MlpSpec(units=(8,), batch_norm=False)
        network = build_network(spec, [port], OutputSpec("regression", 1), keras)
        network.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
        network.fit({"x": numbers}, wave, epochs=40, batch_size=64, verbose=0)
        errors[port.kind] = network.evaluate({"x": numbers}, wave, verbose=0)
    assert errors["periodic"] < 0.1 < 0.3 < errors["dense"]


def test_pixels_are_not_encoded_by_bins():
    from contracts.errors import ConfigError

    with pytest.raises(ConfigError, match="not the pixels"):
        build_network(CnnSpec(kind="cnn", shape=(1, 3, 1)), PORTS, OutputSpec("binary", 2), keras)


TABLES = st.lists(
    st.integers(-5, 40).map(float), min_size=quantiles.BUCKETS + 1, max_size=quantiles.BUCKETS + 1
).map(sorted)


@settings(max_examples=15, deadline=None)
@given(TABLES, st.lists(st.floats(-9, 50, width=32), min_size=1, max_size=5))
def test_numpy_gives_the_normal_score_that_the_graph_gives(table, values):
    points = tf.constant([table], tf.float32)
    scores = quantiles.normal_scores(points)
    column = np.array(values, np.float32)
    wanted = quantiles.interpolate(column[:, None], points, scores)
    curve = {"quantiles": table, "scores": scores[0].numpy().tolist()}
    feature = raw_feature(column="x", kind="numeric", raw="float32", filler=0.0, **curve)
    received = RowPreparation(Preparation(features=(feature,)))({"x": column})["x"]
    np.testing.assert_allclose(received, wanted, rtol=0, atol=1e-6)
    order = np.argsort(column)
    assert (np.diff(received[order, 0]) >= 0).all()
    assert np.abs(received).max() <= 3.5


def test_a_value_of_many_rows_gets_its_middle_rank():
    half = [0.0] * 65 + list(np.arange(1.0, 65.0))
    points = tf.constant([half], tf.float32)
    scores = quantiles.normal_scores(points)
    score = quantiles.interpolate(tf.constant([[0.0], [1e9]]), points, scores).numpy()[:, 0]
    np.testing.assert_allclose(score, [-0.6744898, 3.5], atol=1e-6)


def test_numbers_beyond_the_robust_bounds_are_clipped_and_a_constant_is_left_alone():
    table = tf.constant([np.linspace(0, 128, 129), [0.0] * 128 + [9.0]], tf.float32)
    low, high = quantiles.robust_bounds(table, tf.constant([1.349, 1.349]))
    np.testing.assert_allclose([low, high], [[0, 0], [128, 9]], atol=1e-5)


def test_far_values_lie_outside_of_inner_bins_but_for_columns_of_one_value_and_few_others():
    table = tf.constant([[-1e6, *range(1, 128), 1e6], [0.0] * 128 + [9.0]], tf.float32)
    inner = quantiles.knots(table, [4, 2], inner=True).numpy()
    np.testing.assert_array_equal(inner, [[2, 32, 64, 96, 126], [0, 0, 9, 9, 9]])
    every = quantiles.knots(table, [4, 2]).numpy()
    np.testing.assert_array_equal(every, [[-1e6, 32, 64, 96, 1e6], [0, 0, 9, 9, 9]])


def test_a_clip_beside_bounded_scores_is_refused():
    with pytest.raises(ValidationError, match="clip has no effect with scale quantile"):
        NumericSpec(scale="quantile", clip=3)
    with pytest.raises(ValidationError, match="bins"):
        NumericSpec(embedding="piecewise", bins=1)
