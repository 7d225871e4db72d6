"""TFX's Evaluator with our EvalConfig, on small SavedModels: right figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as reference
from tfx.components.evaluator import executor as evaluator_executor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from components.evaluator.eval_config import build_eval_config
from components.evaluator.results import read_evaluation
from evidence.config import EvaluationSpec
from models.export.saved_model import examples_input
from models.features.spec import FeaturesSpec
from pipelines.beam.options import beam_args
from pipelines.beam.spec import LocalBeam

Outputs = dict[str, tf.Tensor]
ROWS = 600
# Every row has a column `examples`, which TFMA must not feed instead of the serialized row.
COLUMNS = ("y", "p", "group", "examples")
SERIALIZED = tf.TensorSpec([None], tf.string, name=examples_input(COLUMNS))


class _Served(tf.Module):
    """A model whose outputs are columns of its examples."""

    def __init__(self, outputs: Callable[[Outputs], Outputs], label_dtype: tf.DType) -> None:
        super().__init__()
        self._outputs = outputs
        self._spec = {
            "y": tf.io.FixedLenFeature([1], label_dtype),
            "p": tf.io.FixedLenFeature([3], tf.float32),
        }

    @tf.function(input_signature=[SERIALIZED])
    def predict(self, examples: tf.Tensor) -> Outputs:
        return self._outputs(tf.io.parse_example(examples, self._spec))

    @tf.function(input_signature=[SERIALIZED])
    def label(self, examples: tf.Tensor) -> Outputs:
        return {"y": tf.io.parse_example(examples, self._spec)["y"]}


def _binary(columns: Outputs) -> Outputs:
    probability = columns["p"][:, 0]
    return {
        "probabilities": probability,
        "decisions": tf.cast(probability >= 0.4, tf.float32),
        "classes": tf.cast(probability >= 0.4, tf.int64),
    }


def _multiclass(columns: Outputs) -> Outputs:
    probabilities = tf.nn.softmax(columns["p"])
    return {
        "probabilities": probabilities,
        "scores": tf.reduce_max(probabilities, axis=1),
        "classes": tf.argmax(probabilities, axis=1),
    }


def _regression(columns: Outputs) -> Outputs:
    return {"predictions": columns["p"][:, 0]}


def _save(folder: Path, outputs: Callable[[Outputs], Outputs], dtype: tf.DType) -> Any:
    model = standard_artifacts.Model()
    model.uri = str(folder)
    served = _Served(outputs, dtype)
    signatures = {"examples": served.predict, "labels": served.label}
    tf.saved_model.save(served, str(folder / "Format-Serving"), signatures=signatures)
    return model


def _examples(folder: Path, y: np.ndarray, p: np.ndarray, group: np.ndarray) -> Any:
    examples = standard_artifacts.Examples()
    examples.uri = str(folder)
    examples.split_names = artifact_utils.encode_split_names(["test"])
    split = folder / "Split-test"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for label, numbers, name in zip(y, p, group, strict=True):
            example = tf.train.Example()
            features = example.features.feature
            if y.dtype.kind == "i":
                features["y"].int64_list.value.append(int(label))
            else:
                features["y"].float_list.value.append(float(label))
            features["p"].float_list.value.extend(np.broadcast_to(numbers, 3).tolist())
            features["group"].bytes_list.value.append(name.encode())
            features["examples"].bytes_list.value.append(b"no serialized example")
            writer.write(example.SerializeToString())
    return examples


def _evaluate(folder: Path, examples: Any, model: Any, spec: EvaluationSpec, task: str) -> str:
    label = {"name": "y", "classes": [0, 1, 2]} if task == "multiclass" else {"name": "y"}
    problem = FeaturesSpec.model_validate(
        {"task": task, "label": label, "features": {"p": {"type": "numeric"}}}
    )
    evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    inputs = {"examples": [examples], "model": [model]}
    executor = evaluator_executor.Executor(
        BaseBeamExecutor.Context(beam_pipeline_args=beam_args(LocalBeam()), tmp_dir=str(folder))
    )
    executor.Do(
        inputs,
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "eval_config": proto_utils.proto_to_json(build_eval_config(spec, problem)),
            "example_splits": '["test"]',
        },
    )
    assert not blessing.has_custom_property("blessed")  # the ModelGate blesses
    return evaluation.uri


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_binary_figures_and_slices(tmp_path: Path, rng: np.random.Generator) -> None:
    p = rng.uniform(size=ROWS).astype(np.float32)
    y = (rng.uniform(size=ROWS) < p).astype(np.int64)
    group = np.where(np.arange(ROWS) < ROWS - 5, "big", "thin")
    examples = _examples(tmp_path / "examples", y, p[:, None], group)
    model = _save(tmp_path / "model", _binary, tf.int64)
    spec = EvaluationSpec(slices=(("group",),), min_slice_rows=10)
    uri = _evaluate(tmp_path / "a", examples, model, spec, "binary")
    candidate = read_evaluation(uri, 10)
    hard = p >= 0.4
    expected = {
        "roc_auc": reference.roc_auc_score(y, p),
        "log_loss": reference.log_loss(y, p),
        "f1": reference.f1_score(y, hard),
        "precision": reference.precision_score(y, hard),
        "recall": reference.recall_score(y, hard),
        "accuracy": reference.accuracy_score(y, hard),
        "calibration": p.mean() / y.mean(),
        "true_positives": float((hard & (y == 1)).sum()),
        "rows": ROWS,
    }
    for name, value in expected.items():
        assert candidate.metrics[name] == pytest.approx(value, abs=2e-4), name
    assert candidate.metrics["pr_auc"] == pytest.approx(
        reference.average_precision_score(y, p), abs=0.01
    )
    big, thin = candidate.slices
    assert (big.slice, big.rows) == ({"group": "big"}, ROWS - 5)
    assert thin.insufficient == "fewer than 10 rows"
    assert not thin.metrics


def test_multiclass_figures(tmp_path: Path, rng: np.random.Generator) -> None:
    logits = rng.normal(size=(ROWS, 3)).astype(np.float32)
    y = np.where(rng.uniform(size=ROWS) < 0.6, logits.argmax(1), rng.integers(3, size=ROWS))
    examples = _examples(tmp_path / "examples", y, logits, np.full(ROWS, "all"))
    model = _save(tmp_path / "model", _multiclass, tf.int64)
    uri = _evaluate(tmp_path / "a", examples, model, EvaluationSpec(), "multiclass")
    candidate = read_evaluation(uri)
    guess = logits.argmax(1)
    expected = {
        "accuracy": reference.accuracy_score(y, guess),
        "macro_f1": reference.f1_score(y, guess, average="macro"),
        "weighted_f1": reference.f1_score(y, guess, average="weighted"),
    }
    for name, value in expected.items():
        assert candidate.metrics[name] == pytest.approx(value, abs=1e-6), name
    assert candidate.metrics["confusion"] == reference.confusion_matrix(y, guess).tolist()
    assert candidate.metrics["f1_by_class"] == pytest.approx(
        reference.f1_score(y, guess, average=None).tolist()
    )
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert candidate.metrics["log_loss"] == pytest.approx(
        reference.log_loss(y, probabilities), abs=1e-4
    )


def test_regression_figures(tmp_path: Path, rng: np.random.Generator) -> None:
    p = rng.normal(1000, 3, size=ROWS).astype(np.float32)
    y = (p + rng.normal(size=ROWS)).astype(np.float32)
    examples = _examples(tmp_path / "examples", y, p[:, None], np.full(ROWS, "all"))
    model = _save(tmp_path / "model", _regression, tf.float32)
    uri = _evaluate(tmp_path / "a", examples, model, EvaluationSpec(), "regression")
    candidate = read_evaluation(uri)
    expected = {
        "rmse": float(np.sqrt(reference.mean_squared_error(y, p))),
        "mae": reference.mean_absolute_error(y, p),
        "r2": reference.r2_score(y, p),
    }
    for name, value in expected.items():
        assert candidate.metrics[name] == pytest.approx(value, abs=1e-4), name
