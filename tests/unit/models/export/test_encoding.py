"""The SavedModel's own functions: what goes in, what comes out, and what they share."""

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from contracts.columns import MISSING_INT
from contracts.errors import ModelError
from models.export.encoding import (
    EncodedFeature,
    Encoding,
    cut,
    describe,
    encoding_from_json,
    joined_widths,
    mean_row,
)
from models.export.loaded_model import load_model
from models.features.spec import FeaturesSpec
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from tests import small_model

TABLE = pa.table(
    {
        "x": pa.array([1.5, None, -2.0], pa.float32()),
        "the count": pa.array([7, None, 30], pa.int64()),
        "hour": pa.array([6.0, 12.0, None], pa.float32()),
        "flag": pa.array([1, 0, None], pa.int64()),
        "color": pa.array(["red", None, "mauve"]),
        "code": pa.array([2, None, 99], pa.int64()),
    }
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    found = {}
    for task in small_model.LABELS:
        net = small_model.network(task)
        folder = small_model.write(tmp_path_factory.mktemp(task), task, net)
        found[task] = (load_model(folder), net)
    return found


@pytest.mark.parametrize("task", small_model.LABELS)
def test_the_two_halves_make_up_what_is_served(models, task):
    model, _ = models[task]
    columns = model.columns(TABLE)
    encoded = model.encode(columns)
    assert encoded.shape == (3, small_model.WIDTH)
    np.testing.assert_allclose(model.head(encoded), model.predict(columns), atol=1e-6)
    score, predicted = model.score(encoded), model.predict(columns)
    if task == "binary":
        np.testing.assert_allclose(1 / (1 + np.exp(-score)), predicted, atol=1e-6)
    elif task == "multiclass":
        np.testing.assert_allclose(tf.nn.softmax(score), predicted, atol=1e-6)
    else:
        np.testing.assert_allclose(score, predicted, atol=1e-6)


def test_encoded_columns_are_mapped_to_raw_features(models):
    about = models["binary"][0].encoding
    assert {entry.feature: entry.start for entry in about.features} == small_model.STARTS
    stops = [entry.stop for entry in about.features]
    assert stops == [*list(small_model.STARTS.values())[1:], small_model.WIDTH]
    assert [entry.feature for entry in about.features if entry.indicator] == ["x"]
    assert [entry.kind for entry in about.features] == [
        spec["type"] for spec in small_model.FEATURES.values()
    ]
    assert about.features[1].columns == ("the count",)
    assert about.inputs["the count"] == "the_count"
    assert (about.classes, about.threshold, about.label) == (("no", "yes"), 0.4, "y")
    assert encoding_from_json(about.to_json()) == about


def test_each_raw_value_lands_in_its_own_encoded_columns(models):
    model, net = models["binary"]
    encoded = model.encode(model.columns(TABLE))
    np.testing.assert_allclose(encoded[:, 0], [1.5, 0.0, -2.0])
    np.testing.assert_array_equal(encoded[:, 1], [0.0, 1.0, 0.0])
    np.testing.assert_allclose(encoded[:, 2], [0.7, 0.0, 3.0], rtol=1e-6)
    np.testing.assert_array_equal(encoded[:, 6:10].argmax(axis=1), [0, 3, 3])
    table = next(layer for layer in net.layers if "embedding" in layer.name).get_weights()[0]
    np.testing.assert_allclose(encoded[:, 10:], table[[2, 5, 5]], rtol=1e-6)


def test_the_reference_is_the_mean_encoded_row(models):
    model, net = models["regression"]
    halves = cut(net, "regression")
    mean = mean_row(halves, small_model.sample(20))
    np.testing.assert_allclose(model.encoding.reference, mean, atol=1e-6)
    assert np.ptp(mean) > 0


def test_head_and_score_can_be_differentiated_after_loading(models):
    model, _ = models["binary"]
    encoded = model.encode(model.columns(TABLE))
    slopes = model.gradient(encoded, lambda scores, _: scores[:, 0])
    step = np.zeros_like(encoded)
    step[:, 2] = 1e-2
    by_difference = (model.score(encoded + step) - model.score(encoded - step)) / 2e-2
    np.testing.assert_allclose(slopes[:, 2], by_difference, atol=2e-3)
    matrix = tf.constant(encoded)
    with tf.GradientTape() as tape:
        tape.watch(matrix)
        total = tf.reduce_sum(model.model.head(matrix))
    assert np.abs(tape.gradient(total, matrix).numpy()).max() > 0


def test_the_functions_share_the_networks_variables(models):
    model, net = models["multiclass"]
    stored = tf.train.list_variables(str(model.folder / "variables" / "variables"))
    sizes = [int(np.prod(shape)) for name, shape in stored if shape and "OBJECT" not in name]
    assert sum(sizes) == net.count_params()
    encoded = model.encode(model.columns(TABLE))
    columns = model.columns(TABLE)
    reloaded = load_model(model.folder)
    for variable in reloaded.model.variables_of_network:
        variable.assign(tf.zeros_like(variable))
    np.testing.assert_allclose(reloaded.head(encoded), 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(reloaded.predict(columns), 1 / 3, rtol=1e-6)


def test_the_functions_are_no_signatures(models):
    signatures = models["binary"][0].model.signatures
    assert set(signatures) == {"serving_default", "examples", "transform_features", "labels"}


def test_a_network_of_one_feature_is_cut_too():
    net = build_network(
        MlpSpec(units=(4,)), [InputSpec("color", "one_hot", 4)], OutputSpec("binary", 2), keras
    )
    one = FeaturesSpec.model_validate(
        {"task": "binary", "label": {"name": "y"}, "features": {"color": {"type": "categorical"}}}
    )
    halves, features = cut(net, "binary"), {"color": tf.constant([[1], [3]])}
    encoded = halves.encode(features)
    np.testing.assert_array_equal(encoded, np.eye(4)[[1, 3]])
    np.testing.assert_allclose(halves.head(encoded), net(features), atol=1e-6)
    about = describe(one, joined_widths(one, net), np.zeros(4), 0.5)
    assert about.features == (EncodedFeature("color", ("color",), "categorical", 0, 4, False),)
    assert isinstance(about, Encoding)


def test_missing_values_become_what_serving_takes_for_missing(models):
    columns = models["binary"][0].columns(TABLE.select(["x", "color", "code"]))
    assert np.isnan(columns["x"][1])
    assert np.isnan(columns["the_count"]).all()
    assert columns["color"].tolist() == ["red", "", "mauve"]
    assert columns["code"].tolist() == [2, MISSING_INT, 99]
    assert models["binary"][0].types() == {
        "x": "number",
        "the count": "number",
        "hour": "number",
        "flag": "number",
        "color": "text",
        "code": "integer",
    }


def test_what_cannot_be_explained_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(ModelError, match="no SavedModel"):
        load_model(tmp_path)
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    with pytest.raises(ModelError, match="does not describe its features") as caught:
        load_model(tmp_path / "other")
    assert "--from Trainer" in caught.value.fix
    (tmp_path / "other" / "saved_model.pb").write_bytes(b"cut short")
    with pytest.raises(ModelError, match="does not load"):
        load_model(tmp_path / "other")


def test_a_network_without_a_flat_join_is_exported_and_answers(tmp_path):
    entries = {
        port.name: keras.Input(port.row_shape, dtype=port.encoding.dtype)
        for port in small_model.PORTS
    }
    dense = [entries[name] for name in ("x", "the count", "hour")]
    joined = keras.layers.Concatenate()(dense)
    network = keras.Model(entries, keras.layers.Dense(1, activation="sigmoid")(joined))
    model = load_model(small_model.write(tmp_path, net=network))
    assert not model.is_explainable
    assert model.encoding.threshold == 0.4
    answers = model.predict(model.columns(pa.table({"x": [1.0, None], "hour": [3.0, 4.0]})))
    assert answers.shape == (2,)
