"""Balance of the label and sizes of the splits."""

from __future__ import annotations

import numpy as np
import pytest

from components.data_gate.audit.labels import check_balance, check_sizes
from tests.audit_tables import audit_data, clean, failed, named, problem, splits, with_column


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_sound_labels_pass(task: str) -> None:
    data = audit_data(splits(task), of=problem(task))
    assert failed(check_balance(data)) == []
    assert failed(check_sizes(data)) == []


def test_a_rare_class_is_reported_with_a_remedy() -> None:
    tables = splits()
    tables["train"] = with_column(tables["train"], "late", [1] * 40 + [0] * 1960)
    part = check_balance(audit_data(tables))
    (one,) = failed(part)
    assert (one.check, one.feature, one.split, one.outcome) == ("balance", "late", "train", "warn")
    assert one.figure == pytest.approx(0.02)
    assert one.bound == pytest.approx(0.05)
    assert "class_weights" in one.fix
    assert part.details["balance"]["train"] == {"0": 1960, "1": 40}


def test_many_classes_may_each_be_rarer_than_one_of_two() -> None:
    many = problem("multiclass").model_copy(
        update={
            "label": problem("multiclass").label.model_copy(
                update={"classes": tuple(f"c{number}" for number in range(40))}
            )
        }
    )
    labels = [f"c{number % 40}" for number in range(2000)]
    tables = {"train": with_column(clean(2000, 0), "late", labels)}
    assert failed(check_balance(audit_data(tables, of=many))) == []
    labels[40:] = [label if label != "c7" else "c8" for label in labels[40:]]
    tables = {"train": with_column(clean(2000, 0), "late", labels)}
    (one,) = failed(check_balance(audit_data(tables, of=many)))
    assert "c7" in one.what


def test_a_regressions_label_is_described_and_not_judged() -> None:
    part = check_balance(audit_data(splits("regression"), of=problem("regression")))
    assert part.checks == []
    assert part.details["balance"]["train"]["rows"] == 2000
    assert part.details["balance"]["train"]["deviation"] > 1


def test_small_splits_and_classes_are_named() -> None:
    tables = splits(train=300, val=60)
    late = np.zeros(400, np.int64)
    late[:3] = 1
    tables["test"] = with_column(tables["test"], "late", late)
    part = check_sizes(audit_data(tables))
    assert named(part) == [
        ("sizes", "", "train"),
        ("sizes", "", "val"),
        ("sizes", "late", "test"),
    ]
    assert failed(part)[2].figure == 3


def test_no_rows_at_all() -> None:
    data = audit_data({"train": clean(0, 0)})
    assert check_balance(data).checks == []
    assert {one.figure for one in check_sizes(data).checks} == {0}
