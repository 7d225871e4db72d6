"""Says to TFMA what to compute, and on which slices.

TFMA has no thresholds here: the ModelGate judges, with intervals that TFMA would take
minutes for (docs/decisions/0006-gates-with-uncertainty.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tfx  # noqa: F401 (before TFMA: see docs/decisions/0001-stack.md)

from tensorflow_model_analysis.proto.config_pb2 import (  # isort: skip
    EvalConfig,
    MetricConfig,
    MetricsSpec,
    ModelSpec,
    SlicingSpec,
)

from components.source_digest import source_digest
from evidence.config import EvaluationSpec
from models.features.spec import FeaturesSpec, Task

OUTPUTS: Mapping[Task, tuple[str, ...]] = {
    "binary": ("probabilities", "decisions"),
    "multiclass": ("probabilities",),
    "regression": ("predictions",),
}
_OURS = {
    "RowMetric": "components.evaluator.row_metrics",
    "Accuracy": "components.evaluator.tfma_metrics",
    "MacroF1": "components.evaluator.tfma_metrics",
    "WeightedF1": "components.evaluator.tfma_metrics",
}

# By task and output: the metric's name here, its class, its arguments.
_METRICS: Mapping[tuple[str, str], tuple[tuple[str, str, dict[str, Any]], ...]] = {
    ("binary", "probabilities"): (
        ("roc_auc", "RowMetric", {}),
        ("pr_auc", "RowMetric", {}),
        ("log_loss", "RowMetric", {}),
        ("calibration", "RowMetric", {}),
        ("rows", "RowMetric", {}),
    ),
    ("binary", "decisions"): (
        ("f1", "RowMetric", {}),
        ("precision", "RowMetric", {}),
        ("recall", "RowMetric", {}),
        ("accuracy", "RowMetric", {}),
        ("true_positives", "RowMetric", {}),
        ("false_positives", "RowMetric", {}),
        ("true_negatives", "RowMetric", {}),
        ("false_negatives", "RowMetric", {}),
    ),
    ("multiclass", "probabilities"): (
        ("accuracy", "Accuracy", {}),
        ("macro_f1", "MacroF1", {}),
        ("weighted_f1", "WeightedF1", {}),
        ("log_loss", "SparseCategoricalCrossentropy", {}),
        ("confusion", "MultiClassConfusionMatrixAtThresholds", {"thresholds": [0.0]}),
        ("rows", "ExampleCount", {}),
    ),
    ("regression", "predictions"): (
        ("rmse", "RowMetric", {}),
        ("mae", "RowMetric", {}),
        ("r2", "RowMetric", {}),
        ("rows", "RowMetric", {}),
    ),
}
REPORTED = tuple(dict.fromkeys(name for metrics in _METRICS.values() for name, _, _ in metrics))


def build_eval_config(evaluation: EvaluationSpec, problem: FeaturesSpec) -> EvalConfig:
    """Gives TFMA's config for the candidate."""
    return EvalConfig(
        model_specs=[_model_spec(problem)],
        metrics_specs=[
            MetricsSpec(
                # TFMA unwraps the predictions of a signature that has one output.
                output_names=[] if problem.task == "regression" else [output],
                metrics=[
                    _metric(name, kind, arguments)
                    for name, kind, arguments in _METRICS[problem.task, output]
                ],
            )
            for output in OUTPUTS[problem.task]
        ],
        slicing_specs=[
            SlicingSpec(),
            *(SlicingSpec(feature_keys=list(keys)) for keys in evaluation.slices),
        ],
    )


def _model_spec(problem: FeaturesSpec) -> ModelSpec:
    spec = ModelSpec(signature_name="examples", preprocessing_function_names=["labels"])
    if problem.task == "regression":
        spec.label_key = problem.label.name
    else:
        spec.label_keys.update(dict.fromkeys(OUTPUTS[problem.task], problem.label.name))
    return spec


def _metric(name: str, kind: str, arguments: Mapping[str, Any]) -> MetricConfig:
    config = {"name": name, **arguments}
    module = _OURS.get(kind, "")
    if module:
        # TFX's Evaluator has no other parameter of ours: a change of a metric must not be cached.
        config["source"] = source_digest(module)
    return MetricConfig(class_name=kind, module=module, config=json.dumps(config))
