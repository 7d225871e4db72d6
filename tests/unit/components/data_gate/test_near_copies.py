"""Rows of a later split that were copied from an earlier one and slightly altered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer, load_iris

from components.data_gate.audit.near_copies import find_near_copies
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.repeats import check_duplicates
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from models.features.spec import FeaturesSpec
from tests.audit_tables import audit_data, failed, splits

COPIES = 30


def table(rows: int, seed: int, columns: int = 6) -> pa.Table:
    rng = np.random.default_rng(seed)
    numbers = rng.lognormal(sigma=1.0, size=(columns, rows)).astype(np.float32)
    numbers[0] = np.where(rng.random(rows) < 0.1, np.nan, numbers[0])
    named = {
        f"x{place}": pa.array(values, from_pandas=True) for place, values in enumerate(numbers)
    }
    colour = pa.array(rng.choice(["red", "green"], rows))
    return pa.table({**named, "colour": colour, "y": pa.array((numbers[-1] > 1).astype(np.int64))})


def altered(rows: pa.Table, share: float, seed: int = 5) -> pa.Table:
    rng = np.random.default_rng(seed)
    for place, name in enumerate(rows.column_names):
        if name.startswith("x"):
            values = rows[name].to_numpy() * (1 + share * rng.uniform(-1, 1, len(rows)))
            rows = rows.set_column(place, name, pa.array(values, pa.float32(), from_pandas=True))
    return rows


def audited(train: pa.Table, test: pa.Table, **spec: Any) -> AuditData:
    numbers = {name: {"type": "numeric"} for name in train.column_names if name[0] in "xf"}
    categories = {"colour": {"type": "categorical"}} if "colour" in train.column_names else {}
    of = FeaturesSpec.model_validate(
        {"task": "binary", "label": {"name": "y"}, "features": numbers | categories}
    )
    audit = AuditSpec.model_validate({"duplicates": {"near": spec}})
    return AuditData({"train": train, "test": test}, of, audit, SplitSpec())


@pytest.mark.parametrize("columns", [5, 8, 40])
@pytest.mark.parametrize("share", [0.0, 0.01])
def test_altered_copies_across_splits_are_found(columns: int, share: float) -> None:
    train, test = table(3000, 0, columns), table(400, 1, columns)
    copied = altered(train.slice(100, COPIES), share)
    data = audited(train, pa.concat_tables([test, copied]))
    found = find_near_copies(data, "train", "test")
    assert found is not None
    if not share:  # equal rows are another check's
        assert not found.beyond_chance
        return
    assert found.beyond_chance
    assert found.rows == pytest.approx(COPIES, abs=COPIES // 3)
    assert {(later - 400, earlier - 100) for earlier, later in found.examples} <= {
        (place, place) for place in range(COPIES)
    }
    (one,) = failed(check_duplicates(data))
    assert (one.check, one.split, one.outcome) == ("duplicates.near", "train, test", "warn")
    assert "are nearly a row of train" in one.what


def test_copies_that_were_there_before_the_split_are_found_too() -> None:
    rows = table(4000, 0)
    rows = pa.concat_tables([rows, altered(rows.slice(0, 200), 0.01)])
    rows = rows.take(pa.array(np.random.default_rng(1).permutation(len(rows))))
    data = audited(rows.slice(0, 3400), rows.slice(3400))
    assert [one.check for one in failed(check_duplicates(data))] == ["duplicates.near"]
    assert (
        failed(check_duplicates(audited(rows.slice(0, 3400), rows.slice(3400), severity="off")))
        == []
    )


def test_a_copy_with_another_label_or_category_is_none() -> None:
    train, test = table(3000, 0), table(400, 1)
    copied = altered(train.slice(100, COPIES), 0.01)
    other = copied.set_column(6, "colour", pa.array(["blue"] * COPIES))
    found = find_near_copies(audited(train, pa.concat_tables([test, other])), "train", "test")
    assert found is not None
    assert not found.beyond_chance


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris])
def test_real_rows_are_near_by_chance_only(load: Any) -> None:
    features, labels = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    named = {f"f{n}": pa.array(column.astype(np.float32)) for n, column in enumerate(features.T)}
    rows = pa.table({**named, "y": pa.array((labels > 0).astype(np.int64))}).take(pa.array(order))
    cut = len(rows) * 7 // 10
    found = find_near_copies(audited(rows.slice(0, cut), rows.slice(cut)), "train", "test")
    assert found is not None
    assert not found.beyond_chance


@pytest.mark.parametrize("step", [0.01, 0.1, 1.0])
def test_numbers_on_a_grid_are_near_by_chance_only(step: float) -> None:
    def rounded(rows: pa.Table) -> pa.Table:
        for place in range(3):
            values = np.round(rows[f"x{place}"].to_numpy() / step) * step
            rows = rows.set_column(place, f"x{place}", pa.array(values, pa.float32()))
        return rows

    data = audited(rounded(table(5000, 0, 3)), rounded(table(1000, 1, 3)))
    found = find_near_copies(data, "train", "test")
    assert found is not None
    assert not found.beyond_chance


def test_one_number_says_nothing() -> None:
    assert find_near_copies(audit_data({"train": table(50, 0, 1)}), "train", "train") is None
    assert failed(check_duplicates(audit_data(splits()))) == []
