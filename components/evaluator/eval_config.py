"""Says to TFMA what to compute, and on which slices.

TFMA has no thresholds here: the ModelGate judges, with intervals that TFMA would take
minutes for (docs/decisions/0006-gates-with-uncertainty.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
from models.features.spec import FeaturesSpec
from models.tasks import Task, find_task
from models.user_code import FunctionSource

_OURS = {
    "RowMetric": "components.evaluator.row_metrics",
    "ClassMetric": "components.evaluator.tfma_metrics",
}


def build_eval_config(
    evaluation: EvaluationSpec, problem: FeaturesSpec, functions: Sequence[FunctionSource] = ()
) -> EvalConfig:
    """Gives TFMA's config for the candidate.

    Args:
      evaluation: The slices.
      problem: Its task has the metrics.
      functions: The user's own code that the metrics run.
    """
    task = find_task(problem.task)
    # The examples have no figures of images, texts and windows: the evidence slices by these.
    figures = problem.slice_figures().keys()
    slices = [keys for keys in evaluation.slices if figures.isdisjoint(keys)]
    return EvalConfig(
        model_specs=[_model_spec(problem)],
        metrics_specs=[
            MetricsSpec(
                # TFMA unwraps the predictions of a signature that has one output.
                output_names=[] if task.form == "regression" else [output],
                metrics=[_metric(task, functions, *metric) for metric in metrics],
            )
            for output, metrics in task.tfma_metrics.items()
        ],
        slicing_specs=[
            SlicingSpec(),
            *(SlicingSpec(feature_keys=list(keys)) for keys in slices),
        ],
    )


def _model_spec(problem: FeaturesSpec) -> ModelSpec:
    spec = ModelSpec(signature_name="examples", preprocessing_function_names=["labels"])
    task = find_task(problem.task)
    if task.form == "regression":
        spec.label_key = problem.label.name
    else:
        spec.label_keys.update(dict.fromkeys(task.tfma_metrics, problem.label.name))
    return spec


def _metric(
    task: Task,
    functions: Sequence[FunctionSource],
    name: str,
    kind: str,
    arguments: Mapping[str, Any],
) -> MetricConfig:
    config = {"name": name, **arguments}
    if kind == "RowMetric":
        config["task"] = task.name
    module = _OURS.get(kind, "")
    if module:
        # TFX's Evaluator has no other parameter of ours: a change of a metric must not be cached.
        config["source"] = source_digest(module, functions=functions)
    return MetricConfig(class_name=kind, module=module, config=json.dumps(config))
