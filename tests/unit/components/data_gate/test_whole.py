"""What is counted over all rows, in batches and on disk, beside the same in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.data_gate.audit import row_store
from components.data_gate.audit.audit import CHECKS
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.row_store import RowStore
from components.data_gate.audit.whole import KEY, Spread, WholeRows, spread_of
from components.example_gen.config import SplitSpec
from tests.audit_tables import audit_data, problem, splits, with_column

COUNTED = ("sizes", "balance", "duplicates", "contradictions", "missing", "overlap", "cardinality")
BY_DAY = SplitSpec(by="key", columns=("day",))
BY_TIME = SplitSpec(by="time", columns=("day",))


def _worn(task: str) -> dict[str, pa.Table]:
    """Splits with copies within and across them, and with rows of two labels."""
    tables = splits(task)
    copied, label = tables["train"].slice(100, 60), tables["train"]["late"].slice(200, 60)
    other = with_column(tables["train"].slice(200, 60), "late", label.to_numpy()[::-1].copy())
    tables["val"] = pa.concat_tables([tables["val"], tables["val"].slice(0, 30), copied])
    tables["test"] = pa.concat_tables([tables["test"], copied, other])
    return tables


def _in_batches(data: AuditData, folder: Path, rows: int) -> AuditData:
    whole = WholeRows(data.problem, data.split, folder)
    for split, table in data.tables.items():
        for start in range(0, table.num_rows, rows):
            whole.add(split, table.slice(start, rows))
    return replace(data, counted=whole)


@pytest.mark.parametrize("split", [SplitSpec(), BY_DAY, BY_TIME], ids=["row", "key", "time"])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_counts_in_batches_are_those_of_the_whole(
    task: str, split: SplitSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_store, "_BUFFERED_ROWS", 500)
    data = audit_data(_worn(task), split=split, of=problem(task))
    streamed = _in_batches(data, tmp_path, 97)
    for name in COUNTED:
        whole, found = CHECKS[name](data), CHECKS[name](streamed)
        assert [one.what for one in found.checks] == [one.what for one in whole.checks]
        assert [one.figure for one in found.checks] == [one.figure for one in whole.checks]
        if name == "balance" and task == "regression":
            for own, other in zip(
                found.details["balance"].values(), whole.details["balance"].values(), strict=True
            ):
                assert own == pytest.approx(other)
        else:
            assert found.details == whole.details
    assert CHECKS["duplicates"](data).details["duplicates"]["within"]["val"] == 30


def test_a_store_on_disk_keeps_few_rows_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_store, "_BUFFERED_ROWS", 1000)
    store, rng = RowStore(KEY, "key", tmp_path), np.random.default_rng(0)
    most = 0
    for start in range(0, 50_000, 100):
        records = np.zeros(100, KEY)
        records["key"] = rng.integers(0, 2**64, 100, np.uint64)
        records["place"] = np.arange(start, start + 100)
        store.add("train", records)
        most = max(most, sum(len(part) for part in store._parts["train"]))
    assert most < 1000
    parts = [part["train"] for part in store.partitions()]
    assert max(map(len, parts)) < 2000
    assert sorted(np.concatenate(parts)["place"]) == list(range(50_000))
    first = [part["key"].max() for part in parts if len(part)]
    assert first == sorted(first)


def test_spreads_join_to_that_of_all_numbers() -> None:
    numbers = np.random.default_rng(1).normal(1e6, 3, 1000)
    joined = Spread()
    for part in np.split(numbers, [0, 10, 700]):
        joined = joined.joined(spread_of(part))
    assert joined.rows == 1000
    assert joined.mean == pytest.approx(numbers.mean())
    assert joined.deviation == pytest.approx(numbers.std())
    assert (joined.low, joined.high) == (numbers.min(), numbers.max())
