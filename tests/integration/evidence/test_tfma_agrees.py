"""The evidence's and the Evaluator's figures are TFMA's, overall and by slice, to 1e-6."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tfx  # noqa: F401 (before TFMA: see docs/decisions/0001-stack.md)

import tensorflow_model_analysis as tfma  # isort: skip
from tensorflow_model_analysis.proto.config_pb2 import (  # isort: skip
    EvalConfig,
    MetricConfig,
    MetricsSpec,
    ModelSpec,
)

from components.evaluator.eval_config import build_eval_config
from evidence.compare import compare
from evidence.config import EvaluationSpec
from evidence.prediction_table import PredictionTable
from models.features.spec import FeaturesSpec
from pipelines.beam.construction import quicken_construction

ROWS = 2000
SPEC = EvaluationSpec(slices=(("group",), ("group", "part")), min_slice_rows=1, resamples=100)
# What TFMA itself calls the metrics that the Evaluator takes from one pass over the rows.
_AT_HALF = {"thresholds": [0.5]}
_OF_TFMA: dict[str, tuple[str, dict[str, Any]]] = {
    "roc_auc": ("AUC", {"num_thresholds": 10000}),
    "pr_auc": ("AUCPrecisionRecall", {"num_thresholds": 10000}),
    "log_loss": ("BinaryCrossEntropy", {}),
    "calibration": ("Calibration", {}),
    "rows": ("ExampleCount", {}),
    "f1": ("F1Score", _AT_HALF),
    "precision": ("Precision", _AT_HALF),
    "recall": ("Recall", _AT_HALF),
    "accuracy": ("BinaryAccuracy", {"threshold": 0.5}),
    "true_positives": ("TruePositives", _AT_HALF),
    "false_positives": ("FalsePositives", _AT_HALF),
    "true_negatives": ("TrueNegatives", _AT_HALF),
    "false_negatives": ("FalseNegatives", _AT_HALF),
    "mae": ("MeanAbsoluteError", {}),
    "rmse": ("MeanSquaredError", {}),
}


def _binary(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    scores = random.beta(0.5, 1.2, ROWS).astype(np.float32).clip(1e-6, 1 - 1e-6)
    scores[:200] = np.round(scores[:200], 2).clip(0.01, 0.99)  # on the edges of buckets
    return (random.random(ROWS) < scores).astype(np.int64), scores


def _multiclass(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = random.integers(0, 4, ROWS)
    odds = np.exp(random.normal(0, 1.5, (ROWS, 5)) + np.eye(5)[labels])
    return labels, (odds / odds.sum(1, keepdims=True)).astype(np.float32)


def _regression(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = random.normal(100, 3, ROWS).astype(np.float32)
    return labels, (labels + random.normal(0, 2, ROWS)).astype(np.float32)


def _tfmas_own(asked: MetricsSpec) -> MetricsSpec:
    """The same metrics by TFMA's own classes, where there are such."""
    own = MetricsSpec()
    for metric in asked.metrics:
        name = json.loads(metric.config)["name"]
        if metric.class_name != "RowMetric":
            own.metrics.append(metric)
        elif name in _OF_TFMA:
            kind, arguments = _OF_TFMA[name]
            config = json.dumps({"name": name, **arguments})
            own.metrics.append(MetricConfig(class_name=kind, config=config))
    return own


def _by_tfma(
    table: PredictionTable, problem: FeaturesSpec, own: bool
) -> dict[str, dict[str, float]]:
    """TFMA's metrics by slice: those that the Evaluator asks for, or TFMA's own."""
    asked = build_eval_config(SPEC, problem)
    found: dict[str, dict[str, float]] = {}
    for metrics in asked.metrics_specs:
        decides = list(metrics.output_names) == ["decisions"]
        del metrics.output_names[:]
        scores = table.scores["candidate"]
        if decides:
            scores = (scores >= np.float32(table.thresholds["candidate"])).astype(np.float32)
        columns: dict[str, Any] = {name: table.keys[name].to_numpy() for name in ("group", "part")}
        frame = pd.DataFrame({**columns, "y": table.labels, "p": list(scores)})
        config = EvalConfig(
            model_specs=[ModelSpec(label_key="y", prediction_key="p")],
            metrics_specs=[_tfmas_own(metrics) if own else metrics],
            slicing_specs=asked.slicing_specs,
        )
        for key, outputs in tfma.analyze_raw_data(frame, config).slicing_metrics:
            values = found.setdefault(_name(dict(key)), {})
            for name, value in outputs[""][""].items():
                if "doubleValue" in value:
                    number = float(value["doubleValue"])
                    is_square = own and name == "rmse"
                    values[name] = number**0.5 if is_square else number
    return found


def _name(key: dict[str, Any]) -> str:
    plain = {
        name: value.decode() if isinstance(value, bytes) else value for name, value in key.items()
    }
    return ",".join(f"{name}={plain[name]}" for name in sorted(plain))


@pytest.mark.parametrize(
    ("task", "draw"),
    [("binary", _binary), ("multiclass", _multiclass), ("regression", _regression)],
)
def test_every_metric_of_every_slice_is_tfmas(task: Any, draw: Any) -> None:
    quicken_construction()  # as in the Evaluator's own process
    random = np.random.default_rng(11)
    labels, scores = draw(random)
    keys = pa.table(
        {"group": random.choice(list("abc"), ROWS), "part": random.integers(0, 4, ROWS)}
    )
    classes = {"binary": (0, 1), "multiclass": (0, 1, 2, 3, 4), "regression": ()}[task]
    threshold = 0.37 if task == "binary" else None
    thresholds = {} if threshold is None else {"candidate": threshold}
    table = PredictionTable(task, classes, thresholds, labels, keys, {"candidate": scores})
    label: dict[str, Any] = {"name": "y"}
    if task == "multiclass":
        label["classes"] = list(classes)
    problem = FeaturesSpec.model_validate(
        {"task": task, "label": label, "features": {"p": {"type": "numeric"}}}
    )
    expected = _by_tfma(table, problem, own=True)
    asked = _by_tfma(table, problem, own=False)
    found = compare(table, "candidate", None, SPEC, seed=1, find=False)
    ours = {
        _name(one.slice): {name: entry.value for name, entry in one.metrics.items()}
        for one in found.slices
    }
    ours[""] = {name: entry.candidate.value for name, entry in found.metrics.items()}
    assert set(ours) == set(expected) == set(asked)
    assert len(ours) == 1 + 3 + 12
    for slice_name, metrics in expected.items():
        assert set(metrics) <= set(asked[slice_name])
        for metric, value in metrics.items():
            place = (slice_name, metric)
            assert asked[slice_name][metric] == pytest.approx(value, rel=1e-6, abs=1e-6), place
            if metric in ours[slice_name]:
                figure = ours[slice_name][metric]
                assert figure == pytest.approx(value, rel=1e-6, abs=1e-6), place
        assert set(ours[slice_name]) <= set(asked[slice_name])
