"""Columns as codes, numbers and class ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.data_gate.audit.columns import codes_of, labels_of, numbers_of, row_hashes, sample
from models.features.spec import FeaturesSpec
from tests.audit_tables import clean


def _problem(task: str, **label: Any) -> FeaturesSpec:
    return FeaturesSpec.model_validate(
        {
            "task": task,
            "label": {"name": "y", **label},
            "features": {"x": {"type": "numeric"}},
        }
    )


@pytest.mark.parametrize(
    ("task", "label", "values", "expected"),
    [
        ("binary", {}, [0, 1, None, 2], [0, 1, -1, -1]),
        ("binary", {}, [0.0, 1.0, None], [0, 1, -1]),
        ("binary", {"classes": [False, True]}, [1, 0], [1, 0]),
        ("binary", {"classes": ["no", "yes"]}, ["yes", "no", None, "?"], [1, 0, -1, -1]),
        ("binary", {"classes": ["no", "yes"]}, [1, 2], [-1, -1]),
        ("multiclass", {"classes": [3, 1, 2]}, [1, 2, 3], [1, 2, 0]),
        ("multiclass", {"classes": [3, 1, 2]}, ["1", "3"], [1, 0]),
    ],
)
def test_classes_get_their_ids(task: str, label: Any, values: Any, expected: list[int]) -> None:
    ids = labels_of(pa.table({"y": values}), _problem(task, **label))
    assert ids.tolist() == expected
    assert ids.dtype == np.int64


def test_a_regressions_label_is_a_number() -> None:
    numbers = labels_of(pa.table({"y": [1.5, None]}), _problem("regression"))
    assert numbers[0] == 1.5
    assert np.isnan(numbers[1])


def test_codes_number_the_values_and_the_missing_ones_last() -> None:
    table = pa.concat_tables([pa.table({"x": ["a", None]}), pa.table({"x": ["b", "a"]})])
    codes = codes_of(table["x"])
    assert codes.codes.tolist() == [0, 2, 1, 0]
    assert codes.values.to_pylist() == ["a", "b"]
    assert codes.counts().tolist() == [2, 1, 1]


def test_whole_numbers_may_be_missing() -> None:
    numbers = numbers_of(pa.table({"x": [1, None]})["x"])
    assert numbers[0] == 1
    assert np.isnan(numbers[1])


def test_rows_are_hashed_by_all_their_columns() -> None:
    table = pa.table({"x": ["a", "a", None, "b"], "y": [1, 1, 1, 1], "z": [1, 2, 3, 4]})
    one, two, three, four = row_hashes(table, ["x", "y"])
    assert one == two
    assert len({one, three, four}) == 3
    assert len(set(row_hashes(table, ["x", "z"]))) == 4
    assert set(row_hashes(table, [])) == {0}


def test_a_sample_is_drawn_again_alike_and_keeps_the_order() -> None:
    table = clean(500, 0).append_column("place", pa.array(np.arange(500)))
    drawn = [sample(table, 100, np.random.default_rng(7)) for _ in range(2)]
    assert drawn[0].equals(drawn[1])
    places = drawn[0]["place"].to_numpy()
    assert len(places) == 100
    assert (np.diff(places) > 0).all()
    assert sample(table, 500, np.random.default_rng(7)) is table
