"""Groups and times that two splits share."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from components.data_gate.audit.overlap import check_overlap
from components.example_gen.config import SplitSpec
from tests.audit_tables import audit_data, clean, failed, named, splits, with_column

BY_DAY = SplitSpec(by="key", columns=("day",))
BY_TIME = SplitSpec(by="time", columns=("day",))


@pytest.mark.parametrize("split", [BY_DAY, BY_TIME])
def test_splits_that_are_apart_pass(split: SplitSpec) -> None:
    part = check_overlap(audit_data(splits(), split=split))
    assert [one.split for one in part.checks] == ["train, val", "train, test", "val, test"]
    assert failed(part) == []


def test_rows_split_by_row_have_no_groups() -> None:
    assert check_overlap(audit_data(splits())).checks == []


def test_a_group_in_two_splits_blocks_and_is_shown() -> None:
    tables = splits()
    tables["test"] = pa.concat_tables([tables["test"], tables["train"].slice(55, 1)])
    part = check_overlap(audit_data(tables, split=BY_DAY))
    assert named(part) == [("overlap", "day", "train, test")]
    (one,) = failed(part)
    assert (one.outcome, one.figure, one.bound) == ("block", 1, 0)
    assert "day=5" in one.what


def test_groups_of_two_columns_are_pairs() -> None:
    tables = {"train": clean(50, 0), "test": clean(50, 1)}
    by = SplitSpec(by="key", columns=("town", "day"))
    assert failed(check_overlap(audit_data(tables, split=by))) == []
    tables["test"] = tables["train"].slice(0, 3)
    assert named(check_overlap(audit_data(tables, split=by))) == [
        ("overlap", "town, day", "train, test")
    ]


def test_train_must_end_before_test_begins() -> None:
    tables = splits()
    tables["train"] = pa.concat_tables([tables["train"], tables["test"].slice(390, 10)])
    part = check_overlap(audit_data(tables, split=BY_TIME))
    assert named(part) == [("overlap", "day", "train, val"), ("overlap", "day", "train, test")]
    assert failed(part)[0].figure == 10


def test_times_may_be_dates_or_fractions() -> None:
    dates = {
        "train": ["2020-12-31", "2021-01-01"],
        "val": ["2021-01-01", "2021-01-02"],
        "test": ["2021-01-03", "2021-01-03T08:00:00Z"],
    }
    tables = {name: pa.table({"day": days}) for name, days in dates.items()}
    assert failed(check_overlap(audit_data(tables, split=BY_TIME))) == []
    tables["val"] = pa.table({"day": ["2021-01-02", "2021-01-04"]})
    assert named(check_overlap(audit_data(tables, split=BY_TIME))) == [
        ("overlap", "day", "val, test")
    ]
    numbers = {
        name: pa.table({"day": pa.array(values, pa.float32())})
        for name, values in (("train", [-1.5, 0.5]), ("test", [0.25, 2.0]))
    }
    assert failed(check_overlap(audit_data(numbers, split=BY_TIME)))[0].figure == 1


def test_keys_that_examples_cannot_tell_apart_are_left_out() -> None:
    tables = {
        name: with_column(clean(1, 0), "day", np.array([value], np.float32))
        for name, value in (("train", 2.0**24), ("test", 2.0**24 + 1))
    }
    assert failed(check_overlap(audit_data(tables, split=BY_DAY))) == []
    tables = {name: with_column(clean(1, 0), "day", np.array([7], np.float32)) for name in tables}
    assert len(failed(check_overlap(audit_data(tables, split=BY_DAY)))) == 1


def test_empty_splits_and_absent_columns() -> None:
    tables = splits(val=0)
    part = check_overlap(audit_data(tables, split=BY_DAY))
    assert [one.split for one in part.checks] == ["train, test"]
    bare = {name: table.drop_columns(["day"]) for name, table in tables.items()}
    assert check_overlap(audit_data(bare, split=BY_DAY)).checks == []
