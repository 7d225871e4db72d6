"""Says to TFMA what to compute, on which slices, and within which bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tfx  # noqa: F401 (before TFMA: see docs/decisions/0001-stack.md)

from tensorflow_model_analysis.proto.config_pb2 import (  # isort: skip
    EvalConfig,
    MetricConfig,
    MetricDirection,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    PerSliceMetricThreshold,
    SlicingSpec,
)

from components.evaluator.config import EvaluationSpec
from components.evaluator.metric_names import HIGHER_IS_BETTER
from models.features import FeaturesSpec, Task

CANDIDATE = "candidate"
BASELINE = "baseline"
OUTPUTS: Mapping[Task, tuple[str, ...]] = {
    "binary": ("probabilities", "decisions"),
    "multiclass": ("probabilities",),
    "regression": ("predictions",),
}
_OURS = "components.evaluator.tfma_metrics"
# A change of exactly the allowed size passes; TFMA compares strictly.
_SLACK = 1e-9

# By task and output: the metric's name here, its class, its arguments.
_METRICS: Mapping[tuple[str, str], tuple[tuple[str, str, dict[str, Any]], ...]] = {
    ("binary", "probabilities"): (
        ("roc_auc", "AUC", {"num_thresholds": 10000}),
        ("pr_auc", "AUCPrecisionRecall", {"num_thresholds": 10000}),
        ("log_loss", "BinaryCrossEntropy", {}),
        ("calibration", "Calibration", {}),
        ("rows", "ExampleCount", {}),
    ),
    ("binary", "decisions"): (
        ("f1", "F1Score", {"thresholds": [0.5]}),
        ("precision", "Precision", {"thresholds": [0.5]}),
        ("recall", "Recall", {"thresholds": [0.5]}),
        ("accuracy", "BinaryAccuracy", {"threshold": 0.5}),
        ("true_positives", "TruePositives", {"thresholds": [0.5]}),
        ("false_positives", "FalsePositives", {"thresholds": [0.5]}),
        ("true_negatives", "TrueNegatives", {"thresholds": [0.5]}),
        ("false_negatives", "FalseNegatives", {"thresholds": [0.5]}),
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
        ("rmse", "RootMeanSquaredError", {}),
        ("mae", "MeanAbsoluteError", {}),
        ("r2", "R2", {}),
        ("rows", "ExampleCount", {}),
    ),
}
REPORTED = tuple(dict.fromkeys(name for metrics in _METRICS.values() for name, _, _ in metrics))
_OUR_CLASSES = {"Accuracy", "MacroF1", "WeightedF1", "RootMeanSquaredError", "R2"}


def build_eval_config(evaluation: EvaluationSpec, problem: FeaturesSpec) -> EvalConfig:
    """Gives TFMA's config for the candidate, against the baseline where there is one."""
    return EvalConfig(
        model_specs=[
            _model_spec(CANDIDATE, problem),
            _model_spec(BASELINE, problem),
        ],
        metrics_specs=[
            MetricsSpec(
                # TFMA unwraps the predictions of a signature that has one output.
                output_names=[] if problem.task == "regression" else [output],
                metrics=[
                    _metric(name, kind, arguments, evaluation, problem.task)
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


def _model_spec(name: str, problem: FeaturesSpec) -> ModelSpec:
    spec = ModelSpec(
        name=name,
        is_baseline=name == BASELINE,
        signature_name="examples",
        preprocessing_function_names=["labels"],
    )
    if problem.task == "regression":
        spec.label_key = problem.label.name
    else:
        spec.label_keys.update(dict.fromkeys(OUTPUTS[problem.task], problem.label.name))
    return spec


def _metric(
    name: str, kind: str, arguments: Mapping[str, Any], evaluation: EvaluationSpec, task: Task
) -> MetricConfig:
    threshold = _threshold(name, evaluation, task)
    return MetricConfig(
        class_name=kind,
        module=_OURS if kind in _OUR_CLASSES else "",
        config=json.dumps({"name": name, **arguments}),
        # A top-level threshold would bind every slice: bind the overall one alone.
        per_slice_thresholds=[]
        if threshold is None
        else [PerSliceMetricThreshold(slicing_specs=[SlicingSpec()], threshold=threshold)],
    )


def _threshold(name: str, evaluation: EvaluationSpec, task: Task) -> MetricThreshold | None:
    bound, change = evaluation.bounds.get(name), evaluation.change.get(name)
    if bound is None and change is None:
        return None
    threshold = MetricThreshold()
    if bound is not None:
        if bound.min is not None:
            threshold.value_threshold.lower_bound.value = bound.min
        if bound.max is not None:
            threshold.value_threshold.upper_bound.value = bound.max
    if change is not None:
        higher = HIGHER_IS_BETTER[task][name]
        direction = "HIGHER_IS_BETTER" if higher else "LOWER_IS_BETTER"
        threshold.change_threshold.direction = MetricDirection.Value(direction)
        allowed = change.max_loss + _SLACK
        threshold.change_threshold.absolute.value = -allowed if higher else allowed
    return threshold
