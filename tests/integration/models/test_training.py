"""From raw examples to a SavedModel, for each task, with values missing in every column."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from contracts.errors import ModelError
from contracts.names import serving_name
from models.data.representation import raw_input_specs
from models.data.transform_layer import TransformLayer
from models.export.golden_rows import golden_columns
from models.export.saved_model_parity import compare, verify
from models.features.transform_graph import load_transform_graph
from models.features.vocabularies import read_vocabularies
from serving.steady import is_steady
from tests.fixtures.toy_world import (
    FEATURES,
    FULL_CASE,
    LABELS,
    ROWS,
    serialize,
)


def _report(run):
    def refuse(text):
        raise AssertionError(f"{text} is not JSON")

    return json.loads((run / "training.json").read_text(), parse_constant=refuse)


def _transformed(world, rows):
    layer = tft.TFTransformOutput(str(world.folder / "transform")).transform_features_layer()
    parsed = tf.io.parse_example(serialize(rows), raw_input_specs(world.schema))
    return {name: value.numpy() for name, value in layer(parsed).items()}


def _numbers(values):
    return np.array([np.nan if value is None else value for value in values], np.float64)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_transform_gives_what_the_layer_of_tf_transform_gives(worlds, labelled):
    world = worlds(FULL_CASE)
    graph = tft.TFTransformOutput(str(world.folder / "transform"))
    parsed = tf.io.parse_example(serialize(world.rows["val"]), raw_input_specs(world.schema))
    label = world.problem.label.name
    columns = {name: value for name, value in parsed.items() if labelled or name != label}
    given, expected = TransformLayer(graph)(columns), graph.transform_features_layer()(columns)
    assert (label in given) == labelled
    assert set(given) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(given[name], values)


def test_the_transform_refuses_columns_that_it_does_not_know(worlds):
    graph = tft.TFTransformOutput(str(worlds(FULL_CASE).folder / "transform"))
    with pytest.raises(ValueError, match=r"Received \['nowhere'\]"):
        TransformLayer(graph)({"nowhere": tf.zeros([1, 1])})


def test_a_transform_graph_is_loaded_once_until_it_is_written_anew(worlds, tmp_path):
    shutil.copytree(worlds(FULL_CASE).folder / "transform", tmp_path, dirs_exist_ok=True)
    first, second = (load_transform_graph(tft.TFTransformOutput(str(tmp_path))) for _ in range(2))
    assert first == second
    written = next(tmp_path.rglob("saved_model.pb"))
    os.utime(written, ns=(0, written.stat().st_mtime_ns + 1))
    assert load_transform_graph(tft.TFTransformOutput(str(tmp_path)))[0] is not first[0]


def test_the_transform_learns_from_known_train_values_alone(worlds):
    world = worlds(FULL_CASE)
    rows, out = world.rows["train"], _transformed(world, world.rows["train"])
    num, count, plain = (_numbers(rows[name]) for name in ("num", "count", "examples"))
    z = np.nan_to_num((num - np.nanmean(num)) / np.nanstd(num))
    np.testing.assert_allclose(out["num"][:, 0], z, atol=1e-4)
    np.testing.assert_array_equal(out["num_missing"][:, 0], np.isnan(num))
    span = np.nanmax(count) - np.nanmin(count)
    scaled = (count - np.nanmin(count)) / span
    filled = np.where(np.isnan(scaled), out["count"][:, 0], scaled)
    np.testing.assert_allclose(out["count"][:, 0], filled, atol=1e-5)
    median = out["count"][np.isnan(count), 0]
    np.testing.assert_allclose(median, np.nanmedian(scaled), atol=0.02)
    np.testing.assert_allclose(
        out["examples"][:, 0], np.where(np.isnan(plain), np.nanmean(plain), plain), atol=1e-5
    )
    np.testing.assert_array_equal(out["constant"], 0.0)
    flag, angle = _numbers(rows["flag"]), _numbers(rows["hour"]) * 2 * np.pi / 24
    np.testing.assert_array_equal(out["flag"][:, 0], np.nan_to_num(flag, nan=0.5))
    circle = np.nan_to_num(np.stack([np.sin(angle), np.cos(angle)], axis=1))
    np.testing.assert_allclose(out["hour"], circle, atol=1e-5)


def test_ids_come_from_the_vocabulary_with_missing_as_a_category(worlds):
    world = worlds(FULL_CASE)
    rows, out = world.rows["train"], _transformed(world, world.rows["train"])
    graph = tft.TFTransformOutput(str(world.folder / "transform"))
    vocabularies = read_vocabularies(world.problem, graph)
    for name in ("color", "code", "the town", "_île/(Straße)"):
        words = vocabularies[name]
        texts = [b"__missing__" if v is None else v for v in rows[name]]
        texts = [text if isinstance(text, bytes) else str(text).encode() for text in texts]
        wanted = [words.index(text) if text in words else len(words) for text in texts]
        assert out[name][:, 0].tolist() == wanted
        assert b"__missing__" in words
        counts = Counter(texts)
        floor = FEATURES[name].get("min_count", 1)
        ranked = sorted(((n, word) for word, n in counts.items() if n >= floor), reverse=True)
        assert words == tuple(word for _, word in ranked)
    # A floor of three: what train shows less often shares the last bucket.
    assert (out["the town"] == len(vocabularies["the town"])).any()
    assert set(graph.raw_feature_spec()) >= {*FEATURES, "y"}
    assert "key" not in graph.raw_feature_spec()


def test_unseen_values_and_labels_are_distinguished(worlds):
    world = worlds("binary_text")
    rows = {name: [None] for name in (*FEATURES, "y")}
    out = _transformed(world, rows | {"code": [99], "y": [b"perhaps"]})
    assert out["code"][0, 0] == 5  # four codes and missing, then the bucket
    assert out["y"].tolist() == [-1]
    assert _transformed(world, rows)["y"].tolist() == [-1]
    assert _transformed(world, rows | {"y": [b"yes"]})["y"].tolist() == [1]


@pytest.mark.parametrize("case", LABELS)
def test_each_task_trains_and_reports(trained, worlds, case):
    model, run = trained(case)
    report = _report(run)
    assert report["rows"] == ROWS
    assert report["epochs"] == len(report["history"]) == 4
    first, last = report["history"][0], report["history"][-1]
    assert last["loss"] < first["loss"]
    wanted = {"epoch", "loss", "val_loss", "learning_rate", "gradient_norm", "seconds"}
    assert wanted <= set(first)
    assert first["gradient_norm"] > 0
    best = min(report["history"], key=lambda entry: entry["val_loss"])["epoch"]
    assert report["best_epoch"] == best
    assert (report["operating_point"] is not None) == case.startswith("binary")
    assert report["parameters"] > 0
    assert all(np.isfinite(list(report["val_metrics"].values())))
    assert list((run / "tensorboard").rglob("events*"))
    parity = compare(model, run / "golden")
    assert parity.rows == 100
    assert parity.max_difference <= 1e-5
    assert parity.wrong_classes == 0
    assert len({name.rpartition("/")[0] for name in parity.differences}) == 4


@pytest.mark.parametrize("case", LABELS)
def test_the_signatures_answer_what_a_client_and_tfma_need(trained, worlds, case):
    world, (model, run) = worlds(case), trained(case)
    signatures = tf.saved_model.load(str(model)).signatures
    assert set(signatures) == {"serving_default", "examples", "transform_features", "labels"}
    rows = {name: values[:20] for name, values in world.rows["val"].items()}
    unlabelled = tf.constant(serialize({n: v for n, v in rows.items() if n != "y"}))
    out = {name: v.numpy() for name, v in signatures["examples"](examples_=unlabelled).items()}
    labels = signatures["labels"](examples_=tf.constant(serialize(rows)))
    assert set(labels) == {"y"}
    features = signatures["transform_features"](examples_=tf.constant(serialize(rows)))
    missing = {"num_missing", "heavy_missing"} if case == FULL_CASE else {"num_missing"}
    assert set(features) == {*world.problem.features, *missing, "y"}
    task = world.problem.task
    if task == "regression":
        assert set(out) == {"predictions"}
        assert out["predictions"].shape == (20,)
        np.testing.assert_allclose(labels["y"].numpy()[:, 0], rows["y"], rtol=1e-5)
        return
    values = np.array(
        [str(c) if case != "binary_int" else c for c in world.problem.label_classes()]
    )
    ids = [values.tolist().index(v.decode() if isinstance(v, bytes) else v) for v in rows["y"]]
    assert labels["y"].numpy()[:, 0].tolist() == ids
    if task == "multiclass":
        chosen = out["probabilities"].argmax(axis=1)
        np.testing.assert_array_equal(out["scores"], out["probabilities"].max(axis=1))
    else:
        threshold = _report(run)["operating_point"]["threshold"]
        chosen = (out["probabilities"] >= np.float32(threshold)).astype(int)
        np.testing.assert_array_equal(out["decisions"], chosen)
        assert out["probabilities"].shape == (20,)
    assert out["classes"].astype(values.dtype).tolist() == values[chosen].tolist()


def test_plain_values_are_served_and_nan_means_missing(trained):
    model, run = trained("binary_text")
    inputs = tf.saved_model.load(str(model)).signatures["serving_default"]
    specs = inputs.structured_input_signature[1]
    kinds = {"color": tf.string, "the town": tf.string, "code": tf.int64}
    kinds["_île/(Straße)"] = tf.string
    assert {name: spec.dtype for name, spec in specs.items()} == {
        serving_name(name): kinds.get(name, tf.float32) for name in FEATURES
    }
    # The server answers small requests on its event loop: nothing in the graph may take any time.
    captured = [placeholder.op.name for _, placeholder in inputs.graph.captures]
    assert is_steady(inputs.graph.as_graph_def(), captured)
    columns = golden_columns(run / "golden")
    assert np.isnan(columns["count"]).any()
    assert (columns["color"] == b"").any()
    assert set(columns) == {*map(serving_name, FEATURES)}


def test_the_saved_model_holds_the_weights_once_and_no_optimizer(trained):
    model, run = trained("binary_int")
    stored = tf.train.list_variables(str(model / "variables" / "variables"))
    shapes = [shape for name, shape in stored if "OBJECT_GRAPH" not in name]
    sizes = [int(np.prod(shape)) for shape in shapes if shape]
    parameters = _report(run)["parameters"]
    assert parameters <= sum(sizes) <= parameters + 8  # the rest are dropout's seeds


def test_a_fresh_process_verifies_the_model_and_catches_a_changed_weight(trained, tmp_path):
    model, run = trained("multiclass")
    report = verify(model, run / "golden", 1e-5, 240)
    assert report.max_difference <= 1e-5
    loaded = tf.saved_model.load(str(model))
    weights = [v for v in loaded.variables_of_network if len(v.shape) == 2]
    weights[-1].assign_add(tf.ones_like(weights[-1]) * [[0.5, 0.0, 0.0]])
    changed = tmp_path / "changed"
    tf.saved_model.save(loaded, str(changed), signatures=loaded.signatures)
    with pytest.raises(ModelError, match="answers otherwise than Keras did"):
        verify(changed, run / "golden", 1e-5, 240)


def test_a_model_that_cannot_be_loaded_or_takes_too_long_is_refused(trained, tmp_path):
    model, run = trained("binary_int")
    broken = Path(shutil.copytree(model, tmp_path / "broken"))
    (broken / "saved_model.pb").write_bytes(b"cut short")
    with pytest.raises(ModelError, match="does not load"):
        verify(broken, run / "golden", 1e-5, 240)
    with pytest.raises(ModelError, match=r"0\.01 s at most"):
        verify(model, run / "golden", 1e-5, 0.01)


def test_equal_seeds_train_equal_models(trained, worlds, tmp_path):
    _, run = trained("binary_int")
    _, again = worlds("binary_int").train_in(tmp_path)
    strip = [{k: v for k, v in e.items() if k != "seconds"} for e in _report(run)["history"]]
    other = [{k: v for k, v in e.items() if k != "seconds"} for e in _report(again)["history"]]
    assert strip == other


def test_every_switch_of_the_config_trains(worlds, tmp_path):
    model, run = worlds("binary_int").train_in(
        tmp_path,
        network={"batch_norm": False, "dropout": 0.2, "l1": 1e-5, "activation": "gelu"},
        optimizer={"kind": "sgd", "learning_rate": 0.05},
        schedule={"kind": "plateau"},
        class_weights="balanced",
        mixed_precision=True,
        cache="none",
        epochs=30,
        early_stopping={"patience": 1, "min_delta": 0.05},
        calibration="temperature",
        refit=True,
        teacher={"rounds": 5, "leaves": 4, "folds": 2, "sample_rows": 500},
    )
    report = _report(run)
    teacher = report["teacher"]
    assert (teacher["folds"], teacher["by"], teacher["rows"]) == (2, "row", 500)
    assert teacher["metrics"]["roc_auc"] > 0.8
    assert report["refit"]["rows"] == sum(ROWS.values())
    assert report["refit"]["epochs"] == report["best_epoch"]
    assert report["stopped_early"]
    assert report["class_weights"]["1"] > report["class_weights"]["0"]
    # Served in float32 although trained in bfloat16.
    assert compare(model, run / "golden").max_difference <= 1e-5


def test_a_loss_that_is_no_number_stops_the_run_with_a_remedy(worlds, tmp_path):
    world = worlds("regression")
    with pytest.raises(ModelError, match="not a number") as caught:
        world.train_in(
            tmp_path,
            network={"batch_norm": False},
            optimizer={"kind": "sgd", "learning_rate": 1e30, "clip_norm": None},
            schedule={"kind": "constant"},
        )
    assert "learning_rate" in caught.value.fix
    report = _report(tmp_path / "run")
    assert report["diagnosis"][0]["name"] == "NaN loss"
    assert not (tmp_path / "model").exists()
