"""What TFMA is asked for, which is all that TFX's cache key has of the Evaluator."""

from __future__ import annotations

import json

import pytest

from components.evaluator import eval_config
from components.source_digest import source_digest
from evidence.config import EvaluationSpec
from models.features.spec import FeaturesSpec

LABELS = {
    "binary": {"name": "y", "classes": [0, 1]},
    "multiclass": {"name": "y", "classes": [0, 1, 2]},
    "regression": {"name": "y"},
}


@pytest.mark.parametrize("task", LABELS)
def test_metrics_of_ours_carry_the_digest_of_their_source(task: str) -> None:
    problem = FeaturesSpec.model_validate(
        {"task": task, "label": LABELS[task], "features": {"x": {"type": "numeric"}}}
    )
    asked = eval_config.build_eval_config(EvaluationSpec(), problem)
    metrics = [metric for spec in asked.metrics_specs for metric in spec.metrics]
    ours = [metric for metric in metrics if metric.module]
    assert ours
    for metric in ours:
        assert json.loads(metric.config)["source"] == source_digest(metric.module)


def test_tfma_slices_by_raw_columns_and_not_by_figures_of_texts() -> None:
    features = {"review": {"type": "text"}, "shop": {"type": "categorical"}}
    problem = FeaturesSpec.model_validate(
        {"task": "binary", "label": LABELS["binary"], "features": features}
    )
    slices = (("shop",), ("review_words",), ("shop", "review_words"))
    asked = eval_config.build_eval_config(EvaluationSpec(slices=slices), problem)
    assert [list(spec.feature_keys) for spec in asked.slicing_specs] == [[], ["shop"]]
