"""Copies of rows, and rows with two labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data_gate.audit.repeats import check_contradictions, check_duplicates
from tests.audit_tables import audit_data, clean, failed, named, problem, splits, with_column


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_rows_that_differ_pass(task: str) -> None:
    data = audit_data(splits(task), of=problem(task))
    assert failed(check_duplicates(data)) == []
    assert failed(check_contradictions(data)) == []


def test_copies_within_a_split() -> None:
    tables = splits()
    tables["val"] = pa.concat_tables([tables["val"], tables["val"].slice(0, 100)])
    part = check_duplicates(audit_data(tables))
    assert named(part) == [("duplicates", "", "val")]
    assert failed(part)[0].figure == pytest.approx(0.2)
    assert part.details["duplicates"]["within"] == {"train": 0, "val": 100, "test": 0}


def test_copies_across_splits_say_where() -> None:
    tables = splits()
    copied = tables["train"].slice(700, 8)
    tables["test"] = pa.concat_tables([tables["test"], copied])
    spec = {"duplicates": {"across": {"severity": "block"}}}
    part = check_duplicates(audit_data(tables, spec))
    (one,) = failed(part)
    assert (one.check, one.split, one.outcome) == ("duplicates.across", "train, test", "block")
    assert one.figure == pytest.approx(8 / 408)
    found = part.details["duplicates"]["across"][1]
    assert found["rows"] == 8
    assert found["examples"][0] == {"train": 700, "test": 400}


def test_a_copy_with_another_label_is_no_copy_but_a_contradiction() -> None:
    tables = splits()
    copied = tables["train"].slice(0, 200)
    copied = with_column(copied, "late", 1 - copied["late"].to_numpy())
    tables["val"] = pa.concat_tables([tables["val"], copied])
    data = audit_data(tables)
    assert failed(check_duplicates(data)) == []
    part = check_contradictions(data)
    (one,) = failed(part)
    assert one.figure == pytest.approx(400 / 3000)
    found = part.details["contradictions"]
    assert found["groups"] == 200
    assert {row["split"] for row in found["examples"][0]} == {"train", "val"}


def test_numbers_contradict_where_they_are_far_apart() -> None:
    tables = splits("regression")
    copied = tables["train"].slice(0, 300)
    near = with_column(copied, "late", copied["late"].to_numpy() + np.float32(0.1))
    far = with_column(copied, "late", copied["late"].to_numpy() + np.float32(9))
    result = {}
    for name, copies in (("near", near), ("far", far)):
        held = {**tables, "val": pa.concat_tables([tables["val"], copies])}
        result[name] = check_contradictions(audit_data(held, of=problem("regression")))
    assert failed(result["near"]) == []
    assert result["far"].details["contradictions"]["rows"] == 600


def test_either_half_of_duplicates_can_be_off() -> None:
    tables = {"train": clean(50, 0), "val": clean(50, 0)}
    near = {"near": {"severity": "off"}}
    spec: dict[str, Any] = {"duplicates": {"severity": "off", **near}}
    assert {one.check for one in check_duplicates(audit_data(tables, spec)).checks} == {
        "duplicates.across"
    }
    spec = {"duplicates": {"across": {"severity": "off"}, **near}}
    assert {one.check for one in check_duplicates(audit_data(tables, spec)).checks} == {
        "duplicates"
    }


def test_empty_splits() -> None:
    data = audit_data({"train": clean(0, 0), "val": clean(0, 1)})
    assert check_duplicates(data).checks == []
    assert check_contradictions(data).checks == []


_CELLS = st.tuples(
    st.sampled_from([None, 0.0, -0.0, 0.5, 2.0]),
    st.sampled_from([None, "", "a", "b"]),
    st.integers(0, 1),
)


@given(st.lists(_CELLS, min_size=1, max_size=30), st.lists(_CELLS, min_size=1, max_size=30))
def test_copies_are_those_that_python_finds(first: list[Any], second: list[Any]) -> None:
    tables = {
        name: pa.table(
            {
                "amount": pa.array([row[0] for row in rows], pa.float32()),
                "colour": pa.array([row[1] for row in rows], pa.string()),
                "late": pa.array([row[2] for row in rows], pa.int64()),
            }
        )
        for name, rows in (("train", first), ("test", second))
    }
    part = check_duplicates(audit_data(tables))
    found = part.details["duplicates"]
    assert found["within"]["train"] == len(first) - len(set(first))
    assert found["across"][0]["rows"] == sum(row in set(first) for row in second)
    rows = first + second
    labels: dict[Any, set[int]] = {}
    for amount, colour, label in rows:
        labels.setdefault((amount, colour), set()).add(label)
    result = check_contradictions(audit_data(tables)).details["contradictions"]
    assert result["rows"] == sum(len(labels[row[:2]]) > 1 for row in rows)
