"""Calibration in the Trainer, baseline models and cross-validation, on real examples."""

import copy
import functools
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from pydantic import ValidationError
from sklearn.metrics import log_loss, roc_auc_score
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import BaselineModels as BaselinesArtifact
from components.artifacts import CrossValidation as FoldsArtifact
from components.baseline_models.baselines import fit_baselines
from components.baseline_models.component import BaselineModels
from components.baseline_models.config import BaselineFitSpec
from components.cross_validation.component import CrossValidation
from components.cross_validation.config import CrossValidationSpec
from components.cross_validation.validate import validate
from components.example_gen.config import SplitSpec
from components.model_gate.gates import judge
from components.row_sample import read_drawn, sample_of
from evidence.config import EvaluationSpec
from evidence.evidence import evidence
from evidence.prediction_table import CANDIDATE, PredictionTable, read_scores
from models.data.dataset import Source, load_columns, load_split, ordered_batches, split_of
from models.data.folds import key_folds
from models.data.raw_table import read_table
from models.export.saved_model_parity import compare
from models.export.scorer import Scorer
from models.training.config import TrainerSpec
from models.training.learning import predict
from tests.fixtures.toy_world import TEST_ROWS, serialize, write_records

ROWS = {"train": 600, "val": 200, "test": TEST_ROWS}


@pytest.fixture(scope="module")
def shuffled(worlds, tmp_path_factory):
    """The same world with labels dealt out at random."""
    world = copy.copy(worlds("binary_int"))
    folder = tmp_path_factory.mktemp("shuffled") / "world"
    shutil.copytree(world.folder, folder)
    world.folder, generator = folder, np.random.default_rng(11)
    for split, rows in world.rows.items():
        shutil.rmtree(folder / split)
        write_records(
            folder / split, serialize(rows | {"y": generator.permutation(rows["y"]).tolist()})
        )
    return world


def _files(world, *splits):
    return {
        split: sorted(map(str, (world.folder / split).iterdir()))
        for split in splits or ("train", "val", "test")
    }


def _graph(world):
    return tft.TFTransformOutput(str(world.folder / "transform"))


def _source(world):
    return Source(world.schema, _graph(world).transform_features_layer(), "y")


@pytest.fixture(scope="module")
def fitted_baselines(worlds):
    """By case: the scores and the report of its baseline models."""
    return functools.cache(lambda case: _baselines(worlds(case)))


def _baselines(world, **settings):
    spec = BaselineFitSpec(
        **{"problem": world.problem, "seed": 4, "learning_curve": False, **settings}
    )
    return fit_baselines(spec, _files(world), ROWS, world.schema, _graph(world))


def _trainer(world, **training):
    return TrainerSpec.model_validate(
        {
            "name": "toy",
            "seed": 3,
            "problem": world.problem,
            "network": {"units": [8], "dropout": 0.0},
            "training": {"epochs": 3, "batch_size": 32} | training,
            "costs": {"false_negative": 2},
        }
    )


def _report(run):
    return json.loads((run / "training.json").read_text())


def _examples(world):
    """What a SavedModel is asked, in the order in which splits are read."""
    lists = tf.data.TFRecordDataset(_files(world, "val")["val"], compression_type="GZIP")
    return np.array(list(lists.as_numpy_iterator()), object)


@pytest.fixture(scope="module")
def calibrated(worlds, tmp_path_factory):
    """By case: the folders of the model and the run of a network with a temperature."""

    def train(case):
        settings = {"epochs": 6, "calibration": "temperature", "mixed_precision": True}
        return worlds(case).train_in(tmp_path_factory.mktemp(case), **settings)

    return functools.cache(train)


def test_the_temperature_is_in_the_saved_model(worlds, trained, calibrated):
    world, (model, run) = worlds("binary_int"), calibrated("binary_int")
    assert _report(trained("binary_int")[1])["calibration"] is None
    found = _report(run)["calibration"]
    labels = load_columns(_files(world)["val"], _source(world))["y"]
    after = Scorer(model, world.problem.task).examples([_examples(world)]).astype(float)
    # Its loss is the one that was measured without a temperature only if the model has just that.
    odds = (after / (1 - after)) ** found["temperature"]
    losses = [log_loss(labels, scores) for scores in (odds / (1 + odds), after)]
    assert losses == pytest.approx([found["log_loss_before"], found["log_loss_after"]], abs=1e-5)
    assert losses[1] < losses[0] - 1e-4
    assert _report(run)["val_metrics"]["log_loss"] == pytest.approx(losses[1], abs=1e-5)
    assert compare(model, run / "golden").max_difference <= 1e-5
    sizes = [
        sum(v.shape.num_elements() for v in tf.saved_model.load(str(m)).variables_of_network)
        for m in (trained("binary_int")[0], model)
    ]
    assert sizes[0] == sizes[1]


def test_a_regression_has_nothing_to_calibrate(worlds):
    with pytest.raises(ValidationError, match="no probabilities to calibrate"):
        _trainer(worlds("regression"), calibration="temperature")


@pytest.mark.parametrize("case", ["binary_int", "regression"])
def test_the_keras_network_of_a_run_says_what_its_saved_model_says(
    worlds, trained, calibrated, case
):
    world = worlds(case)
    model, run = trained(case) if case == "regression" else calibrated(case)
    network = keras.models.load_model(run / "network.keras")
    assert {weights.dtype for weights in network.get_weights() if weights.ndim > 1} == {
        np.dtype("float32")
    }
    split = load_split("val", _files(world)["val"], _source(world), "memory")
    scorer = Scorer(model, world.problem.task)
    served = scorer.examples([_examples(world)])
    np.testing.assert_allclose(predict(network, split), served, rtol=1e-6, atol=1e-7)
    point = _report(run)["operating_point"]
    assert scorer.threshold == (None if point is None else point["threshold"])


def test_columns_are_those_of_the_split_in_its_order(worlds):
    world = worlds("binary_int")
    files, source = _files(world)["train"], _source(world)
    columns = load_columns(files, source)
    split = load_split("train", files, source, "memory")
    again = split_of("train", columns, "y")
    for (features, labels), (others, same) in zip(
        ordered_batches(split), ordered_batches(again), strict=True
    ):
        assert set(features) == set(others)
        for name, values in features.items():
            np.testing.assert_array_equal(values, others[name])
        np.testing.assert_array_equal(labels, same)
    raw = read_table(files, world.schema, ["y"])["y"].to_pylist()
    assert columns["y"].tolist() == raw  # keys are read by one, rows by the other
    keep = np.arange(600) % 3 == 1
    some = load_columns(files, source, [keep])
    np.testing.assert_array_equal(some["num"], columns["num"][keep])
    assert len(some["y"]) == 200


@pytest.mark.parametrize("case", ["binary_int", "multiclass", "regression"])
def test_baselines_learn_from_train_and_say_so(fitted_baselines, case):
    scores, report = fitted_baselines(case)
    assert list(scores) == list(report.models) == ["majority", "linear", "trees"]
    assert report.rows == {"train": 600, "val": 200, "test": TEST_ROWS}
    for values in scores.values():
        assert values.shape == ((TEST_ROWS, 3) if case == "multiclass" else (TEST_ROWS,))
    metric = {"binary_int": "roc_auc", "multiclass": "accuracy", "regression": "r2"}[case]
    val = {name: report.models[name].val_metrics[metric] for name in scores}
    assert min(val["linear"], val["trees"]) > val["majority"] + 0.2
    assert all(report.models[name].seconds >= 0 for name in scores)


def test_baselines_learn_from_val_too_where_the_network_is_refitted(worlds, fitted_baselines):
    scores, report = fitted_baselines("binary_int")
    again, refitted = _baselines(worlds("binary_int"), refit=True)
    assert (report.refit_rows, refitted.refit_rows) == (None, 800)
    for name in scores:
        # The share of a class may happen to be that of train.
        assert name == "majority" or (again[name] != scores[name]).any()
        # What val says is about the fit before.
        assert refitted.models[name].threshold == report.models[name].threshold
        assert refitted.models[name].val_metrics == report.models[name].val_metrics


def test_of_many_rows_an_equal_draw_is_learned_from(worlds):
    world = worlds("binary_int")
    scores, report = _baselines(world, max_rows=150)
    assert report.rows["train"] == pytest.approx(150, abs=40)
    assert report.train_rows == 600
    assert [(one.what, one.all_rows) for one in report.sampled] == [("baseline models, train", 600)]
    again, _ = _baselines(world, max_rows=150)
    for name, values in scores.items():
        np.testing.assert_array_equal(values, again[name])
    other, _ = _baselines(world, max_rows=150, seed=5)
    assert (scores["linear"] != other["linear"]).any()


def test_of_many_rows_of_test_those_are_predicted_that_the_predictions_have(worlds):
    world = worlds("binary_int")
    scores, report = _baselines(world, sample_rows=100)
    drawn = read_drawn(_files(world)["test"], world.schema, sample_of(TEST_ROWS, 100, 4))
    assert report.rows["test"] == len(scores["linear"]) == drawn.num_rows < TEST_ROWS
    said = [(one.what, one.all_rows) for one in report.sampled]
    assert said == [("baseline models, val", 200), ("baseline models, test", TEST_ROWS)]


def test_shuffled_labels_teach_nobody_anything_and_are_not_blessed(shuffled, tmp_path):
    baselines, _ = _baselines(shuffled)
    columns = load_columns(_files(shuffled)["test"], _source(shuffled))
    model, _ = shuffled.train_in(tmp_path, epochs=10)
    examples = tf.data.TFRecordDataset(_files(shuffled)["test"], compression_type="GZIP")
    asked = np.array(list(examples.as_numpy_iterator()), object)
    network = Scorer(model, "binary").examples([asked])
    labels = columns["y"]
    positives = int(labels.sum())
    # The standard error of an AUC by chance (Mann-Whitney), four times.
    error = np.sqrt((len(labels) + 1) / (12 * positives * (len(labels) - positives)))
    for values in (network, *baselines.values()):
        assert abs(roc_auc_score(labels, values) - 0.5) < 4 * error
    classes = tuple(shuffled.problem.label_classes())
    keys = pa.table({"row": np.arange(len(labels))})
    table = PredictionTable("binary", classes, {}, labels, keys, {CANDIDATE: network})
    spec = EvaluationSpec(resamples=200)
    gates = judge(evidence(table, baselines, spec, seed=3), {}, spec)
    # Without a bound, chance itself has to be distinguished from a model.
    refusal = next(gate for gate in gates if gate.subject == "majority")
    assert refusal.outcome == "block"
    assert refusal.reason.endswith("Decided by evaluation.baselines.majority.")


def test_folds_have_mean_and_spread(worlds):
    world = worlds("regression")
    spec = CrossValidationSpec(trainer=_trainer(world, epochs=2), folds=2)
    found = validate(spec, _files(world, "train", "val"), ROWS, world.schema, _graph(world))
    values = [fold["r2"] for fold in found.folds]
    assert found.mean["r2"] == pytest.approx(np.mean(values))
    assert found.deviation["r2"] == pytest.approx(np.std(values, ddof=1))
    assert len(set(values)) == 2
    assert [fit["rows"] for fit in found.fits] == [300, 300]
    assert (found.rows, found.k, found.by) == (600, 2, "row")
    assert "all of train" in found.caveat


def test_folds_follow_the_key_of_the_split(worlds):
    world = worlds("binary_int")
    spec = CrossValidationSpec(
        trainer=_trainer(world, epochs=2),
        split=SplitSpec(by="key", columns=("color", "hour")),
        folds=2,
    )
    files = _files(world, "train", "val")
    found = validate(spec, files, ROWS, world.schema, _graph(world))
    assert found.by == "key"
    keys = read_table(files["train"], world.schema, ["color", "hour"])
    wanted = np.bincount(key_folds(keys, 2, 3)).tolist()
    assert [fit["rows"] for fit in found.fits] == wanted != [300, 300]


def _artifacts(world, root, **outputs):
    made = {
        "examples": standard_artifacts.Examples(),
        "schema": standard_artifacts.Schema(),
        "transform_graph": standard_artifacts.TransformGraph(),
    }
    for split in ("train", "val", "test"):
        shutil.copytree(world.folder / split, root / "examples" / f"Split-{split}")
        rows = len(world.rows[split]["y"])
        made["examples"].set_int_custom_property(f"rows_{split}", rows)
    made["examples"].split_names = artifact_utils.encode_split_names(["train", "val", "test"])
    (root / "schema").mkdir()
    shutil.copy(world.folder / "schema.pbtxt", root / "schema")
    made |= {name: kind() for name, kind in outputs.items()}
    for name, artifact in made.items():
        artifact.uri = str(root / name)
    made["transform_graph"].uri = str(world.folder / "transform")
    return made


def test_the_components_write_their_artifacts(worlds, fitted_baselines, tmp_path):
    world = worlds("binary_int")
    made = _artifacts(world, tmp_path, baselines=BaselinesArtifact, folds=FoldsArtifact)
    baselines, folds = made.pop("baselines"), made.pop("folds")
    BaselineModels.EXECUTOR_SPEC.executor_class._FUNCTION(
        **made,
        baselines=baselines,
        spec=BaselineFitSpec(problem=world.problem, seed=4).model_dump_json(),
        source_digest="",
    )
    table = pq.read_table(Path(baselines.uri) / "test.parquet")
    assert table["row"].to_pylist() == list(range(TEST_ROWS))
    scores, report = fitted_baselines("binary_int")
    written = read_scores(Path(baselines.uri) / "test.parquet")
    for name, values in scores.items():
        np.testing.assert_array_equal(written[name], values)
    kept = json.loads((Path(baselines.uri) / "baselines.json").read_text())
    assert kept["models"]["linear"]["val_metrics"] == report.models["linear"].val_metrics
    assert len(kept["learning_curve"]["points"]) > 2
    CrossValidation.EXECUTOR_SPEC.executor_class._FUNCTION(
        **made,
        folds=folds,
        spec=CrossValidationSpec(trainer=_trainer(world, epochs=2), folds=2).model_dump_json(),
        source_digest="",
    )
    kept = json.loads((Path(folds.uri) / "folds.json").read_text())
    assert set(kept["mean"]) == set(kept["folds"][0])
    values = [fold["roc_auc"] for fold in kept["folds"]]
    assert kept["mean"]["roc_auc"] == pytest.approx(np.mean(values))
