"""Each model decides at its own threshold: every reported figure, recomputed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from components.variant_evaluator.evaluate import Setting, _quality
from evidence.config import EvaluationSpec
from evidence.evidence import evidence
from evidence.prediction_table import PredictionTable

ROWS = 3000
THRESHOLDS = {"candidate": 0.3, "baseline": 0.6, "linear": 0.45, "trees": 0.75}
DECIDED = {
    "accuracy": metrics.accuracy_score,
    "f1": metrics.f1_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
}


@pytest.fixture(scope="module")
def table() -> PredictionTable:
    """Four models whose scores are on scales of their own."""
    random = np.random.default_rng(4)
    truth = random.normal(-0.5, 1.5, ROWS)
    labels = (random.random(ROWS) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    scores = {
        name: (1 / (1 + np.exp(-truth - shift + random.normal(0, 0.7, ROWS)))).astype(np.float32)
        for name, shift in zip(THRESHOLDS, (-0.8, 0.4, -0.2, 1.1), strict=True)
    }
    keys = pa.table({"sex": random.choice(["f", "m"], ROWS)})
    return PredictionTable("binary", (0, 1), THRESHOLDS, labels, keys, scores)


@pytest.fixture(scope="module")
def found(table: PredictionTable) -> dict[str, Any]:
    spec = EvaluationSpec.model_validate(
        {
            "metric": "accuracy",
            "slices": [["sex"]],
            "resamples": 100,
            "found_slices": {"enabled": False},
            "fairness": {"sensitive": ["sex"]},
        }
    )
    models = ("candidate", "baseline")
    judged = PredictionTable(
        table.task,
        table.classes,
        {name: THRESHOLDS[name] for name in models},
        table.labels,
        table.keys,
        {name: table.scores[name] for name in models},
    )
    baselines = ("linear", "trees")
    return evidence(
        judged,
        {name: table.scores[name] for name in baselines},
        spec,
        seed=1,
        baseline_thresholds={name: THRESHOLDS[name] for name in baselines},
    ).to_json()


def _decisions(table: PredictionTable, model: str) -> np.ndarray[Any, Any]:
    called: np.ndarray[Any, Any] = table.scores[model] >= np.float32(THRESHOLDS[model])
    return called.astype(np.int64)


@pytest.mark.parametrize("metric", DECIDED)
def test_candidate_and_last_blessed_model_each_decide_at_their_own_threshold(
    table: PredictionTable, found: dict[str, Any], metric: str
) -> None:
    by_hand = {
        name: DECIDED[metric](table.labels, _decisions(table, name))
        for name in ("candidate", "baseline")
    }
    entry = found["metrics"][metric]
    for name, value in by_hand.items():
        assert entry[name]["value"] == pytest.approx(value, abs=1e-9)
    apart = by_hand["candidate"] - by_hand["baseline"]
    assert entry["difference"]["value"] == pytest.approx(apart, abs=1e-9)
    # At the candidate's threshold the baseline would look otherwise.
    other = DECIDED[metric](table.labels, table.scores["baseline"] >= THRESHOLDS["candidate"])
    assert abs(other - by_hand["baseline"]) > 0.01


def test_baseline_models_decide_at_their_own_threshold(
    table: PredictionTable, found: dict[str, Any]
) -> None:
    candidate = metrics.accuracy_score(table.labels, _decisions(table, "candidate"))
    for entry in found["baselines"]:
        accuracy = metrics.accuracy_score(table.labels, _decisions(table, entry["name"]))
        assert entry["metric"]["value"] == pytest.approx(accuracy, abs=1e-9)
        assert entry["difference"]["value"] == pytest.approx(candidate - accuracy, abs=1e-9)


def test_slices_compare_each_model_at_its_own_threshold(
    table: PredictionTable, found: dict[str, Any]
) -> None:
    assert len(found["slices"]) == 2
    for entry in found["slices"]:
        inside = np.array(table.keys["sex"].to_pylist()) == entry["slice"]["sex"]
        accuracy = {
            name: metrics.accuracy_score(table.labels[inside], _decisions(table, name)[inside])
            for name in ("candidate", "baseline")
        }
        assert entry["metrics"]["accuracy"]["value"] == pytest.approx(accuracy["candidate"])
        lost = accuracy["baseline"] - accuracy["candidate"]
        assert entry["change"]["value"] == pytest.approx(lost, abs=1e-9)


def test_fairness_is_that_of_the_candidates_own_decisions(
    table: PredictionTable, found: dict[str, Any]
) -> None:
    (column,) = found["fairness"]
    sex, called = np.array(table.keys["sex"].to_pylist()), _decisions(table, "candidate")
    rates = {group["value"]: group["selection_rate"]["value"] for group in column["groups"]}
    for value, rate in rates.items():
        assert rate == pytest.approx(called[sex == value].mean())
    gap = column["gaps"]["selection_rate"]["value"]
    assert gap == pytest.approx(max(rates.values()) - min(rates.values()))


def test_a_variant_decides_at_the_threshold_that_it_is_served_with(table: PredictionTable) -> None:
    spec = EvaluationSpec.model_validate(
        {"metric": "accuracy", "resamples": 100, "found_slices": {"enabled": False}}
    )
    small = table.with_models({"small": table.scores["trees"]}, {"small": THRESHOLDS["trees"]})
    quality = _quality("small", small, Setting(spec, 1, (), 1.0))
    accuracy = {
        name: metrics.accuracy_score(table.labels, _decisions(table, name))
        for name in ("candidate", "trees")
    }
    assert quality["metrics"]["accuracy"].value == pytest.approx(accuracy["trees"])
    apart = accuracy["trees"] - accuracy["candidate"]
    assert quality["difference"]["accuracy"].value == pytest.approx(apart, abs=1e-9)
