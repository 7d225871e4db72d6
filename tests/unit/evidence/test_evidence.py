"""The evidence as a whole: its form, what it says of known cases, and degenerate input."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as reference

from contracts.errors import ModelError
from contracts.results.evidence import Gain
from evidence.config import EvaluationSpec, FairnessSpec
from evidence.curves import POINTS
from evidence.evidence import evidence
from evidence.measures import outcome_of
from evidence.permutation import chance_of_luck
from evidence.prediction_table import PredictionTable

KEYS = {
    "task",
    "metric",
    "higher_is_better",
    "rows",
    "resamples",
    "confidence",
    "seed",
    "together",
    "metrics",
    "slices",
    "curves",
    "confusion",
    "forecast",
    "decisions",
    "calibration",
    "baselines",
    "fairness",
    "robustness",
    "importance",
    "cross_validation",
    "sampled",
    "version",
}


def sigmoid(values):
    return (1 / (1 + np.exp(-values))).astype(np.float32)


def binary(rows=2000, seed=0, reference_too=True):
    random = np.random.default_rng(seed)
    truth = random.normal(-0.5, 1.5, rows)
    labels = (random.random(rows) < sigmoid(truth)).astype(np.int64)
    keys = pa.table({"sex": random.choice(["f", "m"], rows), "age": random.integers(18, 90, rows)})
    scores = {"candidate": sigmoid(truth + random.normal(0, 0.3, rows))}
    if reference_too:
        scores["baseline"] = sigmoid(truth + random.normal(0, 0.6, rows))
    return PredictionTable(
        "binary", ("no", "yes"), dict.fromkeys(scores, 0.4), labels, keys, scores
    )


def settings(**values):
    return EvaluationSpec(**{"resamples": 200, "slices": (("sex",),), **values})


def as_json(found):
    """JSON has no NaN."""
    return json.loads(json.dumps(found.to_json(), allow_nan=False))


def test_a_binary_candidate_beside_a_baseline():
    table = binary()
    baselines = {
        "majority": np.full(table.rows, 0.3, np.float32),
        "linear": table.scores["baseline"],
        "trees": table.scores["candidate"],
    }
    found = as_json(evidence(table, baselines, settings(), seed=3))
    assert set(found) == KEYS
    assert (found["metric"], found["higher_is_better"], found["rows"]) == ("roc_auc", True, 2000)
    for entry in found["metrics"].values():
        for one in (entry["candidate"], entry["baseline"], entry["difference"]):
            assert one["low"] <= one["value"] <= one["high"]
    area = found["metrics"]["roc_auc"]
    apart = area["candidate"]["value"] - area["baseline"]["value"]
    assert area["difference"]["value"] == pytest.approx(apart)
    assert area["difference"]["low"] > 0
    # Paired: the difference is known better than either of the two.
    assert spread(area["difference"]) < 0.6 * spread(area["candidate"])
    majority, linear, trees = found["baselines"]
    assert majority["metric"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert majority["difference"]["value"] == pytest.approx(area["candidate"]["value"] - 0.5)
    assert majority["difference"]["p"] < 1e-9
    assert linear["difference"]["p"] < 0.001
    assert trees["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    first = found["slices"][0]
    assert first["slice"] in ({"sex": "f"}, {"sex": "m"})
    assert set(first["metrics"]) == set(found["metrics"])
    assert first["change"]["value"] == pytest.approx(
        by_slice(table, first["slice"], "baseline") - by_slice(table, first["slice"], "candidate"),
        abs=1e-3,
    )


def spread(one):
    return one["high"] - one["low"]


def by_slice(table, key, model):
    inside = np.array(table.keys["sex"]) == key["sex"]
    return reference.roc_auc_score(table.labels[inside], table.scores[model][inside])


def test_the_same_seed_gives_the_same_evidence_and_another_does_not():
    table = binary(500)
    first = evidence(table, {}, settings(), seed=1)
    assert evidence(table, {}, settings(), seed=1) == first
    assert evidence(table, {}, settings(), seed=2).metrics != first.metrics


def clustered(rows=3000, days=60, seed=1):
    """Days on which the model knows more, and days on which it knows less."""
    random = np.random.default_rng(seed)
    day = random.integers(0, days, rows)
    known = random.choice([0.2, 2.5], days)[day]
    truth = random.normal(0, 1.5, rows)
    labels = (random.random(rows) < sigmoid(truth)).astype(np.int64)
    scores = {
        name: sigmoid(known * truth + random.normal(0, 1, rows))
        for name in ("candidate", "baseline")
    }
    # A week is one day in each: nothing can be said of another such day.
    keys = pa.table({"sex": random.choice(["f", "m"], rows), "day": day, "weekday": day % 30})
    return PredictionTable("binary", (0, 1), {}, labels, keys, scores)


def test_rows_of_one_day_are_worth_less_than_as_many_rows():
    table = clustered()
    alone = as_json(evidence(table, {}, settings(), seed=1))
    asked = settings(slices=(("sex",), ("weekday",)), min_slice_rows=50)
    found = as_json(evidence(table, {}, asked, seed=1, cluster_columns=("day",)))
    narrow, wide = (one["metrics"]["roc_auc"]["candidate"] for one in (alone, found))
    assert narrow["value"] == wide["value"]
    assert spread(wide) > 1.5 * spread(narrow)
    few = [one for one in found["slices"] if "weekday" in one["slice"]]
    assert all("drawn together" in one["insufficient"] for one in few if one["source"] == "config")
    sexes = [one for one in found["slices"] if set(one["slice"]) == {"sex"}]
    assert len(sexes) == 2
    assert all(one["gap"]["p"] is not None for one in sexes)
    assert found["together"] == ["day"]
    # Many samples of days vary as much as the interval of one of them says.
    areas = [area_of(clustered(seed=seed)) for seed in range(40)]
    assert spread(wide) == pytest.approx(2 * 1.96 * np.std(areas), rel=0.35)


def area_of(table):
    return reference.roc_auc_score(table.labels, table.scores["candidate"])


def test_curves_and_confusion_are_scikit_learns():
    table = binary(3000, reference_too=False)
    found = as_json(evidence(table, {}, settings(), seed=1))
    curve = np.array(found["curves"]["roc"]["candidate"])
    assert len(curve) <= POINTS
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [1, 1]
    area = reference.roc_auc_score(table.labels, table.scores["candidate"])
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(area, abs=0.002)
    recall, precision = np.array(found["curves"]["pr"]["candidate"]).T
    assert np.all(np.diff(recall) >= 0)
    assert precision[-1] == pytest.approx(table.labels.mean(), abs=1e-5)
    called = table.scores["candidate"] >= np.float32(0.4)
    expected = reference.confusion_matrix(table.labels, called)
    assert found["confusion"] == {"labels": ["no", "yes"], "matrix": expected.tolist()}


def test_fairness_has_rates_and_the_widest_gap():
    table = binary(4000, reference_too=False)
    women = np.array(table.keys["sex"]) == "f"
    table.scores["candidate"][women] *= 0.7
    asked = settings(fairness=FairnessSpec(sensitive=("sex", "age"), selection_rate=0.1))
    by_sex, by_age = as_json(evidence(table, {}, asked, seed=1))["fairness"]
    called = table.scores["candidate"] >= np.float32(0.4)
    positive = table.labels == 1
    for one in by_sex["groups"]:
        inside = women if one["value"] == "f" else ~women
        assert one["selection_rate"]["value"] == pytest.approx(called[inside].mean())
        assert one["true_positive_rate"]["value"] == pytest.approx(called[inside & positive].mean())
        assert one["false_positive_rate"]["value"] == pytest.approx(
            called[inside & ~positive].mean()
        )
    gap = by_sex["gaps"]["selection_rate"]
    assert gap["between"] == ["m", "f"]
    assert gap["value"] == pytest.approx(called[~women].mean() - called[women].mean())
    assert gap["low"] < gap["value"] < gap["high"]
    assert (gap["bound"], by_sex["gaps"]["true_positive_rate"]["bound"]) == (0.1, None)
    assert len(by_age["groups"]) == 5


def test_a_group_that_is_too_small_has_no_rates():
    table = binary(150, reference_too=False)
    asked = settings(fairness=FairnessSpec(sensitive=("sex",)))
    (found,) = as_json(evidence(table, {}, asked, seed=1))["fairness"]
    assert {one["insufficient"] for one in found["groups"]} == {"fewer than 100 rows"}
    assert found["gaps"]["selection_rate"]["value"] is None
    assert found["gaps"]["selection_rate"]["between"] is None


def test_many_classes_some_of_which_test_does_not_have():
    random = np.random.default_rng(2)
    labels = random.choice([0, 2, 3], 900)
    odds = np.exp(random.normal(0, 1, (900, 5)) + 1.5 * np.eye(5)[labels])
    scores = {"candidate": (odds / odds.sum(1, keepdims=True)).astype(np.float32)}
    keys = pa.table({"sex": random.choice(["f", "m"], 900)})
    table = PredictionTable("multiclass", tuple("abcde"), {}, labels, keys, scores)
    uniform = {"majority": np.full((900, 5), 0.2, np.float32)}
    found = as_json(evidence(table, uniform, settings(), seed=1))
    assert found["metric"] == "accuracy"
    assert set(found["curves"]["roc"]) == {"a", "c", "d"}
    assert (
        np.array(found["confusion"]["matrix"]).sum(axis=1).tolist()
        == np.bincount(labels, minlength=5).tolist()
    )
    assert found["calibration"]["error"]["value"] is not None
    assert found["baselines"][0]["difference"]["value"] > 0
    assert found["fairness"] == []
    assert found["metrics"]["macro_f1"]["candidate"]["low"] is not None


def test_a_regression_where_lower_is_better():
    random = np.random.default_rng(3)
    labels = random.normal(0, 1, 1200)
    scores = {
        "candidate": (labels + random.normal(0, 0.8, 1200)).astype(np.float32),
        "baseline": (labels + random.normal(0, 0.4, 1200)).astype(np.float32),
    }
    keys = pa.table({"sex": random.choice(["f", "m"], 1200)})
    table = PredictionTable("regression", (), {}, labels, keys, scores)
    mean = {"majority": np.zeros(1200, np.float32)}
    found = as_json(evidence(table, mean, settings(metric="rmse"), seed=1))
    assert not found["higher_is_better"]
    assert found["metrics"]["rmse"]["difference"]["value"] == pytest.approx(0.4, abs=0.1)
    assert all(one["change"]["value"] > 0.2 for one in found["slices"])
    assert found["baselines"][0]["difference"]["value"] == pytest.approx(0.2, abs=0.1)
    assert (found["curves"], found["confusion"], found["calibration"]) == ({}, None, None)


@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize("kind", ["one class", "constant", "certain", "plain"])
def test_degenerate_input_gives_none_and_never_fails(rows, kind):
    table = binary(rows)
    if kind == "one class":
        table.labels[:] = 0
    if kind == "constant":
        table.scores["candidate"][:] = 0.2
    if kind == "certain":
        table.scores["candidate"][:] = table.labels
    asked = settings(fairness=FairnessSpec(sensitive=("sex", "age")))
    found = as_json(evidence(table, {"linear": table.scores["baseline"]}, asked, seed=1))
    assert found["rows"] == rows
    assert all(one["insufficient"] for one in found["slices"])
    area = found["metrics"]["roc_auc"]["candidate"]["value"]
    if rows == 1 or kind == "one class":
        assert area is None
        assert found["baselines"][0]["difference"]["p"] is None
    elif kind != "plain":
        assert area == {"constant": 0.5, "certain": 1.0}[kind]


def test_constant_predictions_have_no_slice_that_differs():
    table = binary(1000)
    table.scores["candidate"][:] = 0.2
    found = as_json(evidence(table, {}, settings(), seed=1))
    sexes = [one for one in found["slices"] if one["source"] == "config"]
    assert [one["gap"]["value"] for one in sexes] == [0, 0]
    assert all(one["gap"]["p"] == 1 and one["change"]["value"] > 0.1 for one in sexes)


def test_nothing_to_judge_by_is_an_error():
    with pytest.raises(ModelError, match="no rows"):
        evidence(binary(10).take(np.zeros(0, np.int64)), {}, settings(), seed=1)
    with pytest.raises(ModelError, match="other rows"):
        evidence(binary(10), {"linear": np.zeros(9, np.float32)}, settings(), seed=1)


def _heavy_tailed(seed: int) -> PredictionTable:
    """Good predictions of 500 prices, but for one row that holds most of the error."""
    random = np.random.default_rng(seed)
    labels = random.lognormal(12, 0.5, 500).astype(np.float32)
    good = (labels * random.normal(1, 0.15, 500)).astype(np.float32)
    good[0] = labels[0] + 5 * labels.std() * np.sqrt(len(labels)) / 10
    scores = {"candidate": good}
    return PredictionTable("regression", (), {}, labels, pa.table({}), scores)


def _against_a_constant(table: PredictionTable) -> Gain:
    guess = np.full(table.rows, table.labels.mean(), np.float32)
    spec = EvaluationSpec(resamples=400)
    return evidence(table, {"majority": guess}, spec, 0).baselines[0].difference


def test_one_row_that_holds_most_of_the_error_does_not_hide_what_is_known():
    gain = _against_a_constant(_heavy_tailed(0))
    assert gain.low > 0
    assert gain.p < 0.001


def test_predictions_of_noise_are_not_sure_to_be_better():
    table = _heavy_tailed(0)
    noise = np.random.default_rng(1).permutation(table.scores["candidate"])
    shuffled = replace(table, scores={"candidate": noise})
    assert chance_of_luck("r2", outcome_of(shuffled, "candidate"), 0) > 0.01
    assert _against_a_constant(shuffled).p > 0.01


def test_few_clusters_say_why_no_model_can_be_compared():
    many, few = clustered(), clustered(days=4)
    for table, why in ((many, None), (few, "fewer than 5 keys or blocks")):
        scores = {"linear": table.scores["baseline"]}
        found = evidence(table, scores, settings(), seed=1, cluster_columns=("day",))
        (against,) = as_json(found)["baselines"]
        assert (against["difference"]["value"] is None) == (why is not None)
        assert (why or "") in (against["insufficient"] or "")
