"""What single features say of the label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from components.data_gate.audit.leakage import check_leakage
from tests.audit_tables import audit_data, clean, failed, named, problem, with_column

RNG_SEED = 11
ROWS = 4000


def _powers(part: Any) -> dict[str, float]:
    return {one["feature"]: one["power"] for one in part.details["leakage"]}


def _planted(values: Any, kind: str = "numeric", task: str = "binary", **spec: Any) -> Any:
    table = with_column(clean(ROWS, 0, task), "giveaway", values)
    of = problem(task, giveaway={"type": kind, **({"period": 1} if kind == "cyclic" else {})})
    return check_leakage(audit_data({"train": table}, {"leakage": spec}, of=of))


def _labels(task: str = "binary") -> Any:
    return clean(ROWS, 0, task)["late"].to_numpy(zero_copy_only=False)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_honest_features_pass(task: str) -> None:
    part = check_leakage(audit_data({"train": clean(ROWS, 0, task)}, of=problem(task)))
    assert failed(part) == []
    powers = _powers(part)
    assert list(powers) == sorted(powers, key=lambda name: -powers[name])
    assert max(powers, key=lambda name: powers[name]) == "amount"
    chance = 0.0 if task == "regression" else 0.5
    assert chance <= powers["colour"] < chance + 0.03


def test_the_power_of_a_number_is_the_area_under_its_curve() -> None:
    table = clean(ROWS, 0)
    area = roc_auc_score(table["late"].to_numpy(), table["amount"].to_numpy())
    powers = _powers(check_leakage(audit_data({"train": table})))
    assert powers["amount"] == pytest.approx(area, abs=1e-9)
    turned = with_column(table, "amount", -table["amount"].to_numpy())
    assert _powers(check_leakage(audit_data({"train": turned})))["amount"] == pytest.approx(area)


@pytest.mark.parametrize(
    ("task", "kind", "leak"),
    [
        ("binary", "numeric", lambda labels, rng: -3.0 * labels + 0.2 * rng.normal(size=ROWS)),
        # Neither high nor low: only its middle says that the label is 1.
        ("binary", "numeric", lambda labels, rng: np.where(labels, 0, rng.choice([-1, 1], ROWS))),
        ("binary", "cyclic", lambda labels, rng: np.where(labels, 0.5, rng.choice([0, 1], ROWS))),
        ("binary", "categorical", lambda labels, rng: np.where(labels, "late", "on time")),
        # Every customer has one label: hundreds of values, each of which comes again.
        ("binary", "vocabulary", lambda labels, rng: labels * 500 + rng.integers(0, 500, ROWS)),
        ("multiclass", "categorical", lambda labels, rng: np.char.upper(labels.astype(str))),
        ("multiclass", "numeric", lambda labels, rng: np.unique(labels, return_inverse=True)[1]),
        ("regression", "numeric", lambda labels, rng: -60 * labels + 3),
        ("regression", "numeric", lambda labels, rng: np.exp(labels)),
    ],
)
def test_a_leak_is_named(task: str, kind: str, leak: Any) -> None:
    values = leak(_labels(task), np.random.default_rng(RNG_SEED))
    part = _planted(values, kind, task)
    assert named(part) == [("leakage", "giveaway", "train")]
    (one,) = failed(part)
    assert one.outcome == "block"
    assert one.bound == 0.98
    assert "'giveaway' alone nearly decides the label 'late'" in one.what


def test_a_missing_value_can_leak() -> None:
    late = _labels()
    values = pa.array(np.random.default_rng(RNG_SEED).normal(size=ROWS), mask=late == 1)
    assert named(_planted(values)) == [("leakage", "giveaway", "train")]


def test_an_id_is_no_leak() -> None:
    names = [f"row {number}" for number in range(ROWS)]
    for values, kind in ((names, "vocabulary"), (np.arange(ROWS), "numeric")):
        part = _planted(values, kind)
        assert failed(part) == []
        assert _powers(part)["giveaway"] < 0.55


def test_a_number_rarely_there_is_no_leak() -> None:
    late = _labels("regression")
    values = pa.array(late, mask=np.arange(ROWS) >= 100)
    assert _powers(_planted(values, task="regression"))["giveaway"] < 0.2


def test_one_class_reported_of_three_is_no_leak() -> None:
    labels = _labels("multiclass")
    part = _planted(np.where(labels == "no", "a", "b"), "categorical", "multiclass")
    assert failed(part) == []


def test_bound_severity_and_rows_are_the_configs() -> None:
    late = _labels()
    noisy = np.where(np.random.default_rng(RNG_SEED).random(ROWS) < 0.1, 1 - late, late)
    assert failed(_planted(noisy)) == []
    (one,) = failed(_planted(noisy, max_power=0.87, severity="warn", rows=1000))
    assert (one.feature, one.outcome, one.bound) == ("giveaway", "warn", 0.87)


@pytest.mark.parametrize("rows", [0, 10])
def test_too_few_rows_say_nothing(rows: int) -> None:
    assert check_leakage(audit_data({"train": clean(rows, 0)})).checks == []


def test_one_class_or_no_label_says_nothing() -> None:
    for labels in (np.zeros(200, np.int64), pa.nulls(200, pa.int64())):
        table = with_column(clean(200, 0), "late", labels)
        assert check_leakage(audit_data({"train": table})).checks == []


def test_empty_features_have_no_power() -> None:
    table = with_column(clean(ROWS, 0), "amount", pa.nulls(ROWS, pa.float32()))
    table = with_column(table, "town", pa.nulls(ROWS, pa.string()))
    powers = _powers(check_leakage(audit_data({"train": table})))
    assert powers["amount"] == powers["town"] == 0.5


def _ahead(noise: float) -> Any:
    """A feature that is nearly the label, beside honest ones."""
    labels = _labels()
    return labels + noise * np.random.default_rng(RNG_SEED).normal(size=ROWS)


def _beside_weak_ones(values: Any, **spec: Any) -> Any:
    """The leakage of a feature beside others that say little."""
    noise = np.random.default_rng(1).normal(size=ROWS)
    table = with_column(clean(ROWS, 0), "giveaway", values)
    table = with_column(table, "amount", table["amount"].to_numpy() + noise)
    of = problem(giveaway={"type": "numeric"})
    return check_leakage(audit_data({"train": table}, {"leakage": spec}, of=of))


def test_a_feature_far_ahead_of_the_next_is_named() -> None:
    part = _beside_weak_ones(_ahead(0.37))
    powers = _powers(part)
    assert 0.95 < powers["giveaway"] < 0.98
    assert 0.65 < powers["amount"] < 0.8
    (one,) = failed(part)
    assert (one.check, one.feature, one.outcome) == ("leakage.gap", "giveaway", "warn")
    assert one.figure == pytest.approx(powers["giveaway"] - powers["amount"])
    assert "'giveaway' alone predicts the label 'late' far better than any other" in one.what
    assert "'amount'" in one.what
    assert failed(_beside_weak_ones(_ahead(0.37), gap={"max_gap": 0.35})) == []
    assert failed(_beside_weak_ones(_ahead(0.37), gap={"severity": "off"})) == []


def test_a_good_feature_among_good_ones_and_a_fair_one_ahead_pass() -> None:
    table = with_column(clean(ROWS, 0), "giveaway", _ahead(0.37))
    table = with_column(table, "amount", _ahead(0.4))
    of = problem(giveaway={"type": "numeric"})
    assert failed(check_leakage(audit_data({"train": table}, of=of))) == []
    assert failed(_beside_weak_ones(_ahead(0.8))) == []


def test_a_feature_that_is_refused_is_not_warned_of_as_well() -> None:
    assert named(_planted(_ahead(0.1))) == [("leakage", "giveaway", "train")]
    (one,) = failed(_beside_weak_ones(_ahead(0.1), severity="off"))
    assert one.check == "leakage.gap"
