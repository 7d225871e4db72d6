"""Missing, constant, far-off, too many and id-like values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.data_gate.audit.feature_values import (
    check_cardinality,
    check_constant,
    check_id_like,
    check_missing,
    check_outliers,
)
from tests.audit_tables import audit_data, clean, failed, named, problem, splits, with_column

CHECKS = [check_missing, check_constant, check_outliers, check_cardinality, check_id_like]


def _planted(name: str, values: Any, **feature: Any) -> Any:
    """The data with a planted column in train."""
    table = with_column(clean(2000, 0), name, values)
    return audit_data({"train": table}, of=problem(**{name: feature} if feature else {}))


@pytest.mark.parametrize("check", CHECKS)
def test_sound_features_pass(check: Any) -> None:
    part = check(audit_data(splits()))
    assert part.checks
    assert failed(part) == []


@pytest.mark.parametrize("check", CHECKS)
def test_no_rows_and_no_values(check: Any) -> None:
    assert failed(check(audit_data({"train": clean(0, 0)}))) == []
    empty = with_column(clean(100, 0), "amount", pa.nulls(100, pa.float32()))
    empty = with_column(empty, "town", pa.nulls(100, pa.string()))
    assert {one.check for one in failed(check(audit_data({"train": empty})))} <= {
        "missing",
        "constant",
    }


def test_missing_is_held_in_the_worst_split() -> None:
    tables = splits()
    amount = tables["val"]["amount"].to_numpy()
    tables["val"] = with_column(
        tables["val"], "amount", pa.array(amount, mask=np.arange(400) < 240)
    )
    part = check_missing(audit_data(tables))
    assert named(part) == [("missing", "amount", "val")]
    assert failed(part)[0].figure == pytest.approx(0.6)
    assert part.details["missing"]["amount"] == {"train": 0.0, "val": 0.6, "test": 0.0}


@pytest.mark.parametrize(
    ("feature", "found"),
    [
        ({"type": "numeric"}, True),
        ({"type": "numeric", "missing_indicator": True}, False),
        ({"type": "categorical"}, False),
    ],
)
def test_missing_values_that_the_model_is_reported_of_may_be_more(
    feature: Any, found: bool
) -> None:
    values = pa.array(np.arange(2000) % 3, mask=np.arange(2000) < 1400)
    part = check_missing(_planted("gust", values, **feature))
    assert bool(failed(part)) is found


@pytest.mark.parametrize(
    ("values", "reported"),
    [
        (np.full(2000, 3.5, np.float32), "constant in train: 3.5"),
        (["same"] * 1996 + ["other"] * 4, "'same' in 99.80%"),
        (pa.nulls(2000, pa.int64()), "constant in train: missing"),
    ],
)
def test_constant_and_nearly_constant_features_are_named(values: Any, reported: str) -> None:
    number = not isinstance(values, list)
    part = check_constant(_planted("still", values, type="numeric" if number else "categorical"))
    assert named(part) == [("constant", "still", "train")]
    assert reported in failed(part)[0].what


def test_stand_ins_for_missing_numbers_are_outliers() -> None:
    values = np.random.default_rng(3).normal(50, 10, 2000).astype(np.float32)
    values[:40] = -9999
    part = check_outliers(_planted("load", values, type="numeric"))
    assert named(part) == [("outliers", "load", "train")]
    assert failed(part)[0].figure == pytest.approx(0.02)
    assert "-9999" in failed(part)[0].received


def test_a_number_that_is_mostly_zero_has_outliers_too() -> None:
    rng = np.random.default_rng(3)
    values = np.where(rng.random(2000) < 0.1, rng.gamma(2.0, size=2000), 0).astype(np.float32)
    assert failed(check_outliers(_planted("rain", values, type="numeric"))) == []
    values[:20] = 1e6
    assert named(check_outliers(_planted("rain", values, type="numeric"))) == [
        ("outliers", "rain", "train")
    ]


def test_incomes_are_no_outliers() -> None:
    values = np.random.default_rng(3).lognormal(size=2000).astype(np.float32)
    assert failed(check_outliers(_planted("income", values, type="numeric"))) == []


def test_numbers_without_bound_are_outliers() -> None:
    values = np.random.default_rng(3).normal(size=2000).astype(np.float32)
    values[:30] = np.inf
    assert named(check_outliers(_planted("ratio", values, type="numeric"))) == [
        ("outliers", "ratio", "train")
    ]


def test_a_categorical_feature_with_many_values_should_be_a_vocabulary() -> None:
    values = [f"v{number % 300}" for number in range(2000)]
    part = check_cardinality(_planted("street", values, type="categorical"))
    assert named(part) == [("cardinality", "street", "train")]
    assert failed(part)[0].figure == 300
    assert "vocabulary" in failed(part)[0].fix
    assert failed(check_cardinality(_planted("street", values, type="vocabulary"))) == []


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([f"order-{number}" for number in range(2000)], "vocabulary", True),
        (np.arange(2000), "numeric", True),
        (np.random.default_rng(3).permutation(2000) + 10**9, "numeric", True),
        (np.random.default_rng(3).integers(0, 10**9, 2000), "vocabulary", True),
        (np.random.default_rng(3).integers(0, 10**9, 2000), "numeric", False),
        (np.random.default_rng(3).normal(size=2000), "numeric", False),
        ([f"order-{number // 2}" for number in range(2000)], "vocabulary", False),
    ],
)
def test_ids_are_distinguished_from_amounts(values: Any, kind: str, found: bool) -> None:
    part = check_id_like(_planted("number", values, type=kind))
    assert named(part) == [("id_like", "number", "train")] * found


def test_few_rows_have_no_ids() -> None:
    table = with_column(clean(12, 0), "town", [f"t{number}" for number in range(12)])
    assert check_id_like(audit_data({"train": table})).checks == []
