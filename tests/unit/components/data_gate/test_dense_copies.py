"""Altered copies in tables where every row has near neighbours by chance."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer

from components.data_gate.audit.columns import Floats
from components.data_gate.audit.dense_copies import find_dense_copies
from components.data_gate.audit.near_copies import find_near_copies
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.repeats import check_duplicates
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from models.features.spec import FeaturesSpec
from tests.audit_tables import failed

TRAIN, TEST = 8000, 2000
_MIXTURE = np.random.default_rng(9).normal(size=(3, 6))


def dense(rows: int, seed: int) -> Floats:
    """Six rounded numbers that follow from three: each row has many near neighbours."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(scale=0.1, size=(rows, 6))
    numbers: Floats = np.exp(0.3 * (rng.normal(size=(rows, 3)) @ _MIXTURE + noise))
    rounded: Floats = numbers.round(3)
    return rounded


def repeated(rows: int, seed: int) -> Floats:
    """Things measured four times each."""
    rng = np.random.default_rng(seed)
    things = np.repeat(rng.normal(size=(rows // 4, 4)), 4, axis=0)
    numbers: Floats = 20 + 3 * things + rng.normal(scale=0.1, size=things.shape)
    rounded: Floats = numbers.round(1)
    return rounded


def altered(rows: Floats, seed: int) -> Floats:
    return rows * (1 + 0.01 * np.random.default_rng(seed).uniform(-1, 1, rows.shape))


def with_copies(train: Floats, test: Floats, share: float, seed: int) -> Floats:
    """The test rows, the last of them replaced by altered copies of train's."""
    count = round(share * len(test))
    chosen = np.random.default_rng(seed).choice(len(train), count, replace=False)
    return np.concatenate([test[: len(test) - count], altered(train[chosen], seed)])


def audited(train: Floats, test: Floats) -> AuditData:
    names = [f"x{place}" for place in range(train.shape[1])]
    of = FeaturesSpec.model_validate(
        {
            "task": "binary",
            "label": {"name": "y"},
            "features": {name: {"type": "numeric"} for name in names},
        }
    )
    tables = {
        split: pa.table(
            {
                **{
                    name: pa.array(rows[:, place], pa.float32()) for place, name in enumerate(names)
                },
                "y": pa.array((rows[:, 0] > np.median(train[:, 0])).astype(np.int64)),
            }
        )
        for split, rows in (("train", train), ("test", test))
    }
    return AuditData(tables, of, AuditSpec(), SplitSpec())


def is_found(train: Floats, test: Floats) -> bool:
    first, second = np.log(train), np.log(test)
    return any(copies.beyond_chance for copies in find_dense_copies(first, second, first.shape[1]))


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_altered_copies_in_a_dense_table_are_found(share: float) -> None:
    rows = dense(TRAIN + TEST, 0)
    train, test = rows[:TRAIN], rows[TRAIN:]
    found = find_near_copies(audited(train, with_copies(train, test, share, 1)), "train", "test")
    assert found is not None
    assert found.beyond_chance
    assert found.rows == pytest.approx(share * TEST, rel=0.3)
    copied = [later >= TEST - share * TEST for _, later in found.examples]
    assert np.mean(copied) > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_a_dense_table_without_copies_passes(seed: int) -> None:
    rows = dense(TRAIN + TEST, seed)
    assert failed(check_duplicates(audited(rows[:TRAIN], rows[TRAIN:]))) == []


def test_a_few_copies_in_a_small_table_are_found() -> None:
    rows = load_breast_cancer(return_X_y=True)[0]
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    train, test = rows[:455], rows[455:]
    (one,) = failed(check_duplicates(audited(train, with_copies(train, test, 0.05, 1))))
    assert (one.check, one.split, one.outcome) == ("duplicates.near", "train, test", "warn")
    assert "6 rows" in one.what


@pytest.mark.parametrize("seed", range(4))
def test_repeated_measurements_that_chance_has_split_are_no_copies(seed: int) -> None:
    rows = repeated(TRAIN + TEST, seed)
    rows = rows[np.random.default_rng(seed).permutation(len(rows))]
    assert not is_found(rows[:TRAIN], rows[TRAIN:])


@pytest.mark.parametrize("share", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("step", [0.02, 0.05])
def test_finer_numbers_in_the_later_split_are_no_copies(step: float, share: float) -> None:
    train, test = np.round((dense(TRAIN, 0) + 1) / step) * step, dense(TEST, 1) + 1
    coarse = round((1 - share) * TEST)
    test[:coarse] = np.round(test[:coarse] / step) * step
    assert not is_found(train, test)


def test_finer_numbers_in_a_part_of_the_later_split_are_no_copies() -> None:
    train, test = np.round(dense(TRAIN * 4, 0) + 1, 1), np.round(dense(TEST * 4, 1) + 1, 1)
    test[: len(test) // 12] = altered(test[: len(test) // 12], 2)
    assert not is_found(train, test)


def test_a_later_split_from_the_densest_part_has_no_copies() -> None:
    train, test = dense(TRAIN, 0), dense(4 * TEST, 1)
    inner = np.abs(np.log(test)).max(axis=1).argsort()[:TEST]
    assert not is_found(train, test[inner])


def test_rows_that_are_equal_are_another_checks() -> None:
    train = dense(TRAIN, 0)
    assert not is_found(train, np.concatenate([dense(TEST, 1), train[:100]]))


def test_tables_of_few_rows_pass() -> None:
    assert not is_found(dense(1, 0), dense(1, 1))
    assert not is_found(dense(5, 0), dense(3, 1))
