from functools import partial

import keras
import numpy as np
import pytest
import tf_keras

from models.features.ports import Encoding
from models.features.text import TextSpec, _encode
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec
from models.training.config import TrainingSpec
from models.training.optimizers import build_optimizer

INPUTS = [
    InputSpec("hour", "dense", 2),
    InputSpec("origin", "one_hot", 4),
    InputSpec("tail", "embedding", 100),
]
BATCH = {
    "hour": np.array([[0.0, 1.0], [1.0, 0.0]], np.float32),
    "origin": np.array([[0], [3]]),
    "tail": np.array([[99], [0]]),
}


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
@pytest.mark.parametrize(
    ("output", "width"),
    [
        (OutputSpec("binary", 2), 1),
        (OutputSpec("multiclass", 3), 3),
        (OutputSpec("regression", mean=100.0, deviation=1e-6), 1),
    ],
)
def test_both_keras_modules_build_the_same_network(module, output, width):
    spec = MlpSpec(units=(8, 4), l2=1e-4)
    network = build_network(spec, INPUTS, output, module)
    predicted = np.asarray(network(BATCH, training=False))
    assert predicted.shape == (2, width)
    assert predicted.dtype == np.float32
    # embedding 100 x 21; dense 27 x 8 and 8 x 4; two batch norms; the head.
    assert network.count_params() == 2100 + 27 * 8 + 8 * 4 + 4 * (8 + 4) + (4 + 1) * width
    if output.task == "multiclass":
        np.testing.assert_allclose(predicted.sum(axis=1), 1.0, rtol=1e-5)
    if output.task == "regression":
        np.testing.assert_allclose(predicted, 100.0, atol=1e-3)


def test_an_embedding_is_as_wide_as_configured_or_grows_with_its_vocabulary():
    assert InputSpec("x", "embedding", 100, 7).embedding_dimension() == 7
    widths = [InputSpec("x", "embedding", n).embedding_dimension() for n in (1, 100, 10**6)]
    assert widths == [2, 21, 50]


def test_a_single_input_needs_no_joining():
    network = build_network(MlpSpec(units=(2,)), INPUTS[:1], OutputSpec("binary", 2), keras)
    assert np.asarray(network({"hour": BATCH["hour"]})).shape == (2, 1)


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_a_network_takes_features_of_any_name(module, tmp_path):
    names = ["île", "a/b", "a:b", "", " ", "new\nline", "🛫", "features", "input_0"]
    names += ["embedding", "flatten", "category_encoding_1", "probability", "block_0", "x" * 300]
    kinds = ("dense", "one_hot", "embedding")
    ports = [InputSpec(name, kinds[i % 3], 3) for i, name in enumerate(names)]
    network = build_network(MlpSpec(units=(2,)), ports, OutputSpec("binary", 2), module)
    batch = {
        port.name: np.ones((2, 3), np.float32) if port.kind == "dense" else np.array([[0], [2]])
        for port in ports
    }
    predicted = np.asarray(network(batch))
    network.save(tmp_path / "network.keras")
    again = module.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(np.asarray(again(batch)), predicted)


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_a_feature_may_have_the_name_that_keras_gives_a_layer(module):
    spec = TextSpec(length=3)
    encode = Encoding("int64", partial(_encode, spec.encoder))
    names = ["dropout", "token_mean", "layer_normalization_1", "add"]
    ports = [InputSpec(name, "dense", 1) for name in names]
    ports.append(InputSpec("review", "text", 5, shape=(3,), own=encode))
    network = build_network(MlpSpec(units=(2,)), ports, OutputSpec("binary", 2), module)
    assert set(network.input) == {*names, "review"}
    assert "add" not in {layer.name for layer in network.layers}


def test_the_cosine_schedule_warms_up_and_decays():
    spec = TrainingSpec.model_validate(
        {"epochs": 4, "optimizer": {"learning_rate": 0.1}, "schedule": {"warmup_epochs": 1}}
    )
    rate = build_optimizer(spec, steps_per_epoch=10)._learning_rate
    values = [float(rate(step)) for step in (0, 10, 25, 40)]
    assert values[0] == pytest.approx(0.01)
    assert values[1] == pytest.approx(0.1)
    assert values[2] == pytest.approx(0.0505, rel=1e-3)
    assert values[3] == pytest.approx(0.001)


@pytest.mark.parametrize(("kind", "cls"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_optimizers_are_named_by_the_config(kind, cls):
    spec = TrainingSpec.model_validate(
        {"optimizer": {"kind": kind, "clip_norm": 2.0}, "schedule": {"kind": "constant"}}
    )
    optimizer = build_optimizer(spec, 10)
    assert type(optimizer).__name__ == cls
    assert optimizer.global_clipnorm == 2.0
    assert float(optimizer.learning_rate) == pytest.approx(1e-3)
