"""Other weights of small trained networks, each made in a process of its own."""

import functools
import sys

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from models.compression import parity
from models.compression.spec import WeightsSpec
from models.compression.weights import make_weights
from models.compression.weights import run as make_weights_here
from models.training.config import TeacherSpec
from tests.fixtures.toy_variants import convert_to, training_artifacts


@pytest.fixture(scope="module")
def weights(materials, tmp_path_factory):
    """By case and technique: the folder that it wrote, and its report."""

    def make(case, technique, settings=()):
        artifacts, _ = materials(case)
        folder = tmp_path_factory.mktemp(technique)
        spec = TypeAdapter(WeightsSpec).validate_python({"weights": technique, **dict(settings)})
        return folder, make_weights(spec, artifacts, folder, timeout_s=300)

    return functools.cache(make)


def _gap(folder, golden, tolerance=0.1):
    request = {"folder": str(folder), "golden": str(golden)}
    return parity.run(request | {"tolerance": tolerance})


def test_pruned_weights_are_zero_and_still_load_in_litert(materials, weights, tmp_path):
    settings = (("sparsity", 0.8), ("epochs", 4), ("learning_rate", 1e-3))
    folder, report = weights("digits", "pruned", settings)
    layers = {path: one for path, one in report["layers"].items() if "probab" not in path}
    assert {len(one["shape"]) for one in layers.values()} == {2, 4}
    assert all(one["sparsity"] == pytest.approx(0.8, abs=0.015) for one in layers.values())
    network = keras.models.load_model(folder / "network.keras")
    assert np.mean(network.layers[-1].kernel.numpy() == 0) < 0.1
    artifacts = materials("digits")[0].with_network(folder / "network.keras")
    convert_to("tflite_int8_dynamic", artifacts, tmp_path)
    report = _gap(tmp_path, folder / "golden")
    assert report["max_difference"] <= 0.1
    # The tool that switches tf.keras to Keras 2 was never in this process.
    assert "tensorflow_model_optimization" not in sys.modules


def test_two_of_four_weights_are_zero_and_the_candidate_teaches_where_it_was_taught(
    materials, tmp_path
):
    settings = {"weights": "pruned", "sparsity": 0.5, "pattern": "2:4", "epochs": 2}
    artifacts, _ = materials("multiclass")
    training = artifacts.trainer.training.model_copy(update={"teacher": TeacherSpec(weight=1.0)})
    trainer = artifacts.trainer.model_copy(update={"training": training})
    taught = artifacts.model_copy(update={"trainer": trainer})
    spec = TypeAdapter(WeightsSpec).validate_python(settings)
    report = make_weights(spec, taught, tmp_path, timeout_s=300)
    # The labels are noisy; what the candidate itself says of train can be learned.
    assert report["history"][0]["loss"] > 0
    network = keras.models.load_model(tmp_path / "network.keras")
    kernel = network.get_layer("block_0").kernel.numpy()
    blocks = kernel[: len(kernel) // 4 * 4].T.reshape(-1, 4)
    assert ((blocks == 0).sum(axis=1) >= 2).all()


def test_clustered_weights_take_few_values(weights):
    _, report = weights("binary_text", "clustered", (("clusters", 8), ("epochs", 1)))
    distinct = [one["distinct"] for one in report["layers"].values()]
    assert max(distinct) <= 8
    assert report["history"][0]["val_loss"] > 0


def test_weights_trained_for_eight_bits_have_moved_and_fit_eight_bits(materials, weights, tmp_path):
    folder, report = weights("digits", "qat", (("epochs", 1),))
    before = keras.models.load_model(materials("digits")[0].network_path).get_weights()
    after = keras.models.load_model(folder / "network.keras").get_weights()
    kernels = [i for i, array in enumerate(before) if array.ndim > 1]
    assert all(np.abs(before[i] - after[i]).max() > 0 for i in kernels)
    assert len(report["history"]) == 1
    artifacts = materials("digits")[0].with_network(folder / "network.keras")
    convert_to("tflite_int8_full", artifacts, tmp_path)
    assert _gap(tmp_path, folder / "golden")["max_difference"] <= 0.15


@pytest.mark.parametrize("case", ["binary_int", "regression"])
def test_a_student_is_smaller_and_answers_much_as_its_teacher(materials, weights, case):
    settings = (("epochs", 12), ("scale", 0.4), ("learning_rate", 1e-2))
    folder, report = weights(case, "distilled", settings)
    artifacts, golden = materials(case)
    teacher = keras.models.load_model(artifacts.network_path)
    assert report["parameters"] < 0.5 * teacher.count_params()
    assert report["history"][-1]["val_loss"] < report["history"][0]["val_loss"]
    output = "predictions" if case == "regression" else "probabilities"
    taught, student = (
        np.load(place / "outputs.npz")[f"column/{output}"] for place in (golden, folder / "golden")
    )
    assert np.corrcoef(taught, student)[0, 1] > 0.7


def test_an_ensemble_is_converted_and_its_one_member_answers_much_alike(worlds, tmp_path):
    """The member is made in this process, which costs no second import of TensorFlow."""
    world, optimizer = worlds("binary_int"), {"learning_rate": 1e-2}
    _, run = world.train_in(
        tmp_path / "ensemble", {"members": 4, "linear_path": True}, epochs=8, optimizer=optimizer
    )
    ensemble = training_artifacts(world, run)
    settings = {"weights": "distilled", "members": 1, "epochs": 6, "learning_rate": 1e-2}
    request = {"weights": settings, "artifacts": ensemble.model_dump(), "folder": str(tmp_path)}
    report = make_weights_here(request)
    parameters = keras.models.load_model(run / "network.keras").count_params()
    assert report["parameters"] < 0.6 * parameters
    member = ensemble.with_network(tmp_path / "network.keras")
    # The member is a network like those that other tests have in eight bits.
    made = [(form, ensemble, run / "golden") for form in ("savedmodel_int8", "tflite_int8_full")]
    made += [("onnx_float32", ensemble, run / "golden")]
    made += [("onnx_float32", member, tmp_path / "golden")]
    for place, (form, artifacts, golden) in enumerate(made):
        convert_to(form, artifacts, tmp_path / f"{place}")
        gap = _gap(tmp_path / f"{place}", golden)["max_difference"]
        assert gap <= (1e-5 if form == "onnx_float32" else 0.05), (form, golden)
    together, alone = (np.load(place / "golden" / "outputs.npz") for place in (run, tmp_path))
    answers = [outputs["column/probabilities"] for outputs in (together, alone)]
    assert np.corrcoef(*answers)[0, 1] > 0.7
