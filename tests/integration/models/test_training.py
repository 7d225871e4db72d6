"""From raw examples to a SavedModel, for each task, with values missing in every column."""

import functools
import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.public import tfxio

from contracts.errors import ModelError
from contracts.names import serving_name
from models.data.representation import dense_schema, raw_input_specs
from models.data.transform_layer import TransformLayer
from models.export.golden_rows import golden_columns
from models.export.saved_model_parity import compare, verify
from models.features.preprocessing import preprocessing_fn
from models.features.spec import FeaturesSpec
from models.features.vocabularies import read_vocabularies
from models.training.config import TrainerSpec
from models.training.train import run_fn
from serving.steady import is_steady

FEATURES = {
    "num": {"type": "numeric", "missing_indicator": True},
    "count": {"type": "numeric", "scale": "min_max", "impute": "median"},
    "examples": {"type": "numeric", "scale": "none"},
    "constant": {"type": "numeric"},
    "flag": {"type": "boolean"},
    "hour": {"type": "cyclic", "period": 24},
    "color": {"type": "categorical"},
    "code": {"type": "categorical"},
    "the town": {"type": "vocabulary", "min_count": 3},
    "_île/(Straße)": {"type": "categorical"},
}
KINDS = {"num": "FLOAT", "count": "INT", "examples": "FLOAT", "constant": "INT", "flag": "INT"}
KINDS |= {"hour": "INT", "color": "BYTES", "code": "INT", "the town": "BYTES", "key": "BYTES"}
KINDS |= {"_île/(Straße)": "BYTES"}
LABELS = {
    "binary_int": ("binary", {"name": "y"}, "INT"),
    "binary_text": ("binary", {"name": "y", "classes": ["no", "yes"]}, "BYTES"),
    "multiclass": ("multiclass", {"name": "y", "classes": ["a", "b", "c"]}, "BYTES"),
    "regression": ("regression", {"name": "y"}, "FLOAT"),
}
ROWS = {"train": 600, "val": 200}


def _rows(case, count, seed):
    generator = np.random.default_rng(seed)
    columns = {
        "num": generator.normal(50, 10, count).astype(np.float32).tolist(),
        "count": generator.integers(0, 1000, count).tolist(),
        "examples": generator.uniform(size=count).astype(np.float32).tolist(),
        "constant": [7] * count,
        "flag": generator.integers(0, 2, count).tolist(),
        "hour": generator.integers(0, 24, count).tolist(),
        "color": generator.choice([b"red", b"green", b"bl\xc3\xbce"], count).tolist(),
        "code": generator.integers(10, 14, count).tolist(),
        "the town": [b"town %d" % n for n in generator.geometric(0.2, count)],
        "_île/(Straße)": generator.choice([b"a\nb", b"a\\nb", b" ", b"c\rd"], count).tolist(),
        "key": [b"k%d" % n for n in range(count)],
    }
    signal = (np.array(columns["num"]) - 50) / 10 + np.array(columns["flag"])
    level = np.digitize(signal, [0.0, 1.0])
    labels = {
        "binary_int": (signal > 0.5).astype(int).tolist(),
        "binary_text": np.where(signal > 0.5, b"yes", b"no").tolist(),
        "multiclass": np.array([b"a", b"b", b"c"])[level].tolist(),
        "regression": (1000 + 50 * signal).tolist(),
    }
    for name, values in columns.items():
        for row in np.flatnonzero(generator.uniform(size=count) < 0.1):
            values[row] = values[row] if name in ("constant", "key") else None
    return columns | {"y": labels[case]}


def _example(row):
    example = tf.train.Example()
    for name, value in row.items():
        feature = example.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        elif value is not None:
            feature.float_list.value.append(value)
    return example.SerializeToString()


def _serialize(columns):
    return [
        _example(dict(zip(columns, row, strict=True)))
        for row in zip(*columns.values(), strict=True)
    ]


def _write(folder, examples):
    folder.mkdir(parents=True)
    for shard in range(2):
        with tf.io.TFRecordWriter(str(folder / f"data-{shard}.gz"), "GZIP") as writer:
            for example in examples[shard::2]:
                writer.write(example)


class World:
    """One problem's examples, schema and transform graph on disk."""

    def __init__(self, case, folder):
        task, label, kind = LABELS[case]
        self.folder = folder
        self.rows = {split: _rows(case, n, i) for i, (split, n) in enumerate(ROWS.items())}
        self.problem = FeaturesSpec.model_validate(
            {"task": task, "label": label, "features": FEATURES}
        )
        plain = schema_pb2.Schema()
        for name, value in {**KINDS, "y": kind}.items():
            plain.feature.add(name=name, type=schema_pb2.FeatureType.Value(value))
        schema = text_format.MessageToString(dense_schema(plain, self.problem))
        (folder / "schema.pbtxt").write_text(schema)
        self.schema = text_format.Parse(schema, schema_pb2.Schema())
        for split, rows in self.rows.items():
            _write(folder / split, _serialize(rows))
        self._analyse()

    def _analyse(self):
        source = tfxio.TFExampleRecord(
            [str(self.folder / "train" / "*")], schema=self.schema, telemetry_descriptors=["kelp"]
        )
        function = functools.partial(
            preprocessing_fn, custom_config={"spec": self.problem.model_dump_json()}
        )
        runner = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
        with (
            beam.Pipeline(runner=runner) as pipeline,
            tft_beam.Context(temp_dir=str(self.folder / "temporary")),
        ):
            # Of a fixed size: Beam would try out sizes by the clock, a few rows at first.
            data = pipeline | source.BeamSource(256)
            graph = (data, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(function)
            _ = graph | tft_beam.WriteTransformFn(str(self.folder / "transform"))
        metadata_io.write_metadata(
            dataset_metadata.DatasetMetadata(self.schema), str(self.folder / "transform/metadata")
        )

    def train(self, name, network=None, **training):
        spec = TrainerSpec.model_validate(
            {
                "name": "toy",
                "seed": 3,
                "problem": self.problem,
                "network": {"units": [16], "dropout": 0.0} | (network or {}),
                "training": {"epochs": 4, "batch_size": 32} | training,
                "costs": {"false_negative": 2},
            }
        )
        self.spec = spec
        run_fn(
            SimpleNamespace(
                custom_config={"spec": spec.model_dump_json()},
                train_files=[str(self.folder / "train" / "*")],
                eval_files=[str(self.folder / "val" / "*")],
                schema_path=str(self.folder / "schema.pbtxt"),
                transform_graph_path=str(self.folder / "transform"),
                serving_model_dir=str(self.folder / name / "model"),
                model_run_dir=str(self.folder / name / "run"),
            )
        )
        return self.folder / name / "model", self.folder / name / "run"


def _report(run):
    def refuse(text):
        raise AssertionError(f"{text} is not JSON")

    return json.loads((run / "training.json").read_text(), parse_constant=refuse)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return functools.cache(lambda case: World(case, tmp_path_factory.mktemp(case)))


@pytest.fixture(scope="module")
def trained(worlds):
    return functools.cache(lambda case: worlds(case).train("trained"))


def _transformed(world, rows):
    layer = tft.TFTransformOutput(str(world.folder / "transform")).transform_features_layer()
    parsed = tf.io.parse_example(_serialize(rows), raw_input_specs(world.schema))
    return {name: value.numpy() for name, value in layer(parsed).items()}


def _numbers(values):
    return np.array([np.nan if value is None else value for value in values], np.float64)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_transform_gives_what_the_layer_of_tf_transform_gives(worlds, labelled):
    world = worlds("binary_int")
    graph = tft.TFTransformOutput(str(world.folder / "transform"))
    parsed = tf.io.parse_example(_serialize(world.rows["val"]), raw_input_specs(world.schema))
    label = world.problem.label.name
    columns = {name: value for name, value in parsed.items() if labelled or name != label}
    given, expected = TransformLayer(graph)(columns), graph.transform_features_layer()(columns)
    assert (label in given) == labelled
    assert set(given) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(given[name], values)


def test_the_transform_refuses_columns_that_it_does_not_know(worlds):
    graph = tft.TFTransformOutput(str(worlds("binary_int").folder / "transform"))
    with pytest.raises(ValueError, match=r"Received \['nowhere'\]"):
        TransformLayer(graph)({"nowhere": tf.zeros([1, 1])})


def test_the_transform_learns_from_known_train_values_alone(worlds):
    world = worlds("binary_int")
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
    world = worlds("binary_int")
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


def test_unseen_values_and_labels_are_told_apart(worlds):
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
    unlabelled = tf.constant(_serialize({n: v for n, v in rows.items() if n != "y"}))
    out = {name: v.numpy() for name, v in signatures["examples"](examples_=unlabelled).items()}
    labels = signatures["labels"](examples_=tf.constant(_serialize(rows)))
    assert set(labels) == {"y"}
    features = signatures["transform_features"](examples_=tf.constant(_serialize(rows)))
    assert set(features) == {*FEATURES, "num_missing", "y"}
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
    assert report.to_dict()["max_difference"] <= 1e-5
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


def test_equal_seeds_train_equal_models(trained, worlds):
    _, run = trained("binary_int")
    _, again = worlds("binary_int").train("again")
    strip = [{k: v for k, v in e.items() if k != "seconds"} for e in _report(run)["history"]]
    other = [{k: v for k, v in e.items() if k != "seconds"} for e in _report(again)["history"]]
    assert strip == other


def test_every_switch_of_the_config_trains(worlds):
    model, run = worlds("binary_text").train(
        "switches",
        network={"batch_norm": False, "dropout": 0.2, "l1": 1e-5, "activation": "gelu"},
        optimizer={"kind": "sgd", "learning_rate": 0.05},
        schedule={"kind": "plateau"},
        class_weights="balanced",
        mixed_precision=True,
        cache="none",
        epochs=30,
        early_stopping={"patience": 1, "min_delta": 0.05},
    )
    report = _report(run)
    assert report["stopped_early"]
    assert report["class_weights"]["yes"] > report["class_weights"]["no"]
    # Served in float32 although trained in bfloat16.
    assert compare(model, run / "golden").max_difference <= 1e-5


def test_a_loss_that_is_no_number_stops_the_run_with_a_remedy(worlds):
    world = worlds("regression")
    with pytest.raises(ModelError, match="not a number") as caught:
        world.train(
            "nan",
            network={"batch_norm": False},
            optimizer={"kind": "sgd", "learning_rate": 1e30, "clip_norm": None},
            schedule={"kind": "constant"},
        )
    assert "learning_rate" in caught.value.fix
    report = _report(world.folder / "nan" / "run")
    assert report["diagnosis"][0]["name"] == "NaN loss"
    assert not (world.folder / "nan" / "model").exists()
