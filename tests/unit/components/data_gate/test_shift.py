"""Shift between splits and spans: planted ones are named, chance and season are not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from components.data_gate.audit.columns import Floats
from components.data_gate.audit.distances import by_chance, distance, jensen_shannon, l_infinity
from components.data_gate.audit.histograms import block_counts, blocks_of
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.shift import check_shift
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from contracts.results.checked import Part
from models.features.spec import FeaturesSpec

BY_DAY = SplitSpec(by="key", columns=("day",))
PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "y"},
        "features": {
            "month": {"type": "numeric"},
            "season": {"type": "numeric"},
            "speed": {"type": "numeric"},
            "weekday": {"type": "categorical"},
            "city": {"type": "vocabulary"},
            "seldom": {"type": "numeric"},
        },
    }
)
Counts = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


def month_of(month: int, rows: int, rng: np.random.Generator) -> dict[str, Any]:
    """A month of 30 days; `season` moves with the month, the rest does not."""
    seldom = rng.normal(size=rows)
    return {
        "day": rng.integers(0, 30, rows) + 30 * month,
        "month": np.full(rows, month),
        "season": rng.normal(np.sin(month / 2) * 1.5, 1, rows),
        "speed": rng.normal(100, 10, rows),
        "weekday": rng.integers(0, 7, rows),
        "city": rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]),
        "seldom": np.where(rng.random(rows) < 0.5, np.nan, seldom),
        "y": rng.integers(0, 2, rows),
    }


def make(months: int = 10, rows: int = 600, plant: Any = None, split: SplitSpec = BY_DAY,
         spec: dict[str, Any] | None = None, known: bool = True) -> AuditData:  # fmt: skip
    """Splits of several months; `plant(month, columns)` changes a month of every split."""
    rng = np.random.default_rng(4)
    tables, spans = {}, {}
    for name, share in {"train": 0.7, "val": 0.1, "test": 0.2}.items():
        parts = []
        for month in range(1, months + 1):
            columns = month_of(month, int(rows * share), rng)
            if plant is not None:
                plant(month, columns)
            parts.append(
                pa.table({key: pa.array(one, from_pandas=True) for key, one in columns.items()})
            )
        tables[name] = pa.concat_tables(parts)
        spans[name] = [(month, int(rows * share)) for month in range(1, months + 1)]
    audit = AuditSpec.model_validate({"shift": spec or {}})
    return AuditData(tables, PROBLEM, audit, split, spans if known else {})


def failed(part: Part) -> list[tuple[str, str, str]]:
    return [
        (one.check, one.feature, one.split)
        for one in part.checks
        if one.outcome in ("warn", "block")
    ]


def test_months_that_differ_by_chance_and_season_pass() -> None:
    part = check_shift(make())
    assert failed(part) == []
    kinds = {(one["feature"], one["kind"]) for one in part.details["shift"]}
    # `month` names the span, and has no place in a comparison of spans.
    assert kinds == {
        *(
            (name, "splits")
            for name in ("month", "season", "speed", "weekday", "city", "seldom", "y")
        ),
        *((name, "spans") for name in ("season", "speed", "weekday", "city", "seldom", "y")),
    }
    json.dumps(part.details, allow_nan=False)


@pytest.mark.parametrize("month", [2, 6, 10])
def test_a_month_whose_numbers_are_scaled_is_named_alone(month: int) -> None:
    def plant(at: int, columns: dict[str, Any]) -> None:
        if at == month:
            columns["speed"] = columns["speed"] * 1.6

    expected = [("shift.spans", "speed", f"span {month - 1}, span {month}")]
    part = check_shift(make(plant=plant))
    assert failed(part) == expected
    worst = part.details["shift"][0]
    assert (worst["feature"], worst["from"], worst["to"]) == (
        "speed",
        f"span {month - 1}",
        f"span {month}",
    )
    assert worst["measure"] == "Jensen-Shannon"
    finding = part.checks[0].finding()
    assert finding is not None
    assert f"span {month}" in finding.what
    assert finding.figure is not None
    assert finding.bound is not None
    assert finding.figure > finding.bound


def test_a_level_that_stays_is_named_where_it_begins() -> None:
    def plant(at: int, columns: dict[str, Any]) -> None:
        if at >= 6:
            columns["speed"] = columns["speed"] + 40

    assert failed(check_shift(make(plant=plant))) == [("shift.spans", "speed", "span 5, span 6")]


def test_a_seasonal_feature_must_move_more_than_it_usually_does() -> None:
    def plant(at: int, columns: dict[str, Any]) -> None:
        if at == 6:
            columns["season"] = columns["season"] + 6

    assert ("shift.spans", "season", "span 5, span 6") in failed(check_shift(make(plant=plant)))
    two = check_shift(make(months=2))
    step = next(
        one for one in two.details["shift"] if one["kind"] == "spans" and one["feature"] == "season"
    )
    assert step["usual"] is None


@pytest.mark.parametrize(
    ("name", "value"), [("weekday", 3), ("city", "c"), ("city", None), ("y", 1)]
)
def test_categories_labels_and_missing_ones_are_never_a_silent_zero(name: str, value: Any) -> None:
    def plant(at: int, columns: dict[str, Any]) -> None:
        if at == 6:
            some = np.arange(len(columns[name])) % 2 == 0
            columns[name] = np.where(some, value, columns[name].astype(object))

    def retyped(at: int, columns: dict[str, Any]) -> None:
        plant(at, columns)
        columns[name] = columns[name].tolist()

    part = check_shift(make(plant=retyped))
    assert failed(part) == [("shift.spans", name, "span 5, span 6")]
    assert part.details["shift"][0]["measure"] == "L-infinity"


def test_missing_numbers_are_a_bin_of_their_own() -> None:
    def plant(at: int, columns: dict[str, Any]) -> None:
        if at == 6:
            columns["seldom"] = np.full(len(columns["seldom"]), np.nan)

    assert failed(check_shift(make(plant=plant))) == [("shift.spans", "seldom", "span 5, span 6")]


def test_splits_are_compared_with_train() -> None:
    data = make(months=1)
    test = data.tables["test"]
    moved = test.set_column(3, "speed", pa.array(test["speed"].to_numpy() + 30))
    part = check_shift(AuditData({**data.tables, "test": moved}, PROBLEM, data.spec, BY_DAY))
    assert failed(part) == [("shift", "speed", "train, test")]
    assert all(one["kind"] == "splits" for one in part.details["shift"])


def test_small_samples_raise_no_alarm_although_their_distances_are_large() -> None:
    data = make(months=4, rows=80)
    part = check_shift(data)
    assert failed(part) == []
    distances = [one for one in part.details["shift"] if one["kind"] == "splits"]
    assert max(one["distance"] / one["bound"] for one in distances) > 1


def test_rows_of_a_day_count_as_one_draw() -> None:
    """A value by day: sixty rows of ten days are ten draws, and differ by as much."""
    rng = np.random.default_rng(8)
    tables = {}
    for name, first in {"train": 0, "test": 100}.items():
        days = np.repeat(np.arange(first, first + 12), 200)
        columns = month_of(1, len(days), rng) | {"day": days}
        columns["speed"] = 100 + 10 * rng.normal(size=200)[days - first]
        tables[name] = pa.table({key: pa.array(one) for key, one in columns.items()})
    by_day = check_shift(AuditData(tables, PROBLEM, AuditSpec(), BY_DAY))
    by_row = check_shift(AuditData(tables, PROBLEM, AuditSpec(), SplitSpec()))
    assert failed(by_day) == []
    assert failed(by_row) == [("shift", "speed", "train, test")]


def test_severities_and_spans_that_are_not_known() -> None:
    def plant(at: int, columns: dict[str, Any]) -> None:
        if at == 3:
            columns["speed"] = columns["speed"] * 2

    off = check_shift(make(plant=plant, spec={"spans": {"severity": "off"}}))
    assert {one.check for one in off.checks} == {"shift"}
    block = check_shift(make(plant=plant, spec={"severity": "off", "spans": {"severity": "block"}}))
    assert [one.outcome for one in block.checks].count("block") == 1
    assert {one.check for one in block.checks} == {"shift.spans"}
    assert {one.check for one in check_shift(make(plant=plant, known=False)).checks} == {"shift"}


def test_blocks_hold_rows_of_one_split_and_span() -> None:
    data = make(months=3, rows=100)
    blocks = blocks_of(data)
    assert len(blocks.of_row) == sum(table.num_rows for table in data.tables.values())
    counts = block_counts(data, blocks, "month", True)
    assert counts.sum() == len(blocks.of_row)
    assert (np.count_nonzero(counts, axis=1) == 1).all()
    assert blocks.splits == ("train", "val", "test")


def _counts(values: list[int]) -> Floats:
    return np.array(values, np.float64)


@given(Counts, Counts)
def test_distances_are_scipys_and_within_range(ours: list[int], theirs: list[int]) -> None:
    left, right = _counts(ours), _counts(theirs)
    for measure in (l_infinity, jensen_shannon):
        assert 0 <= float(measure(left, right)) <= 1
        assert float(measure(left, right)) == pytest.approx(float(measure(right, left)), abs=1e-12)
        assert float(measure(left, left)) == pytest.approx(0, abs=1e-12)
    if left.sum() and right.sum():
        expected = jensenshannon(left, right, base=2) ** 2
        assert float(jensen_shannon(left, right)) == pytest.approx(
            np.nan_to_num(expected), abs=1e-9
        )
        shares = np.abs(left / left.sum() - right / right.sum())
        assert float(l_infinity(left, right)) == pytest.approx(shares.max())


def test_chance_grows_as_rows_become_few_and_is_seldom_exceeded() -> None:
    rng = np.random.default_rng(5)
    levels, exceeded = [], 0
    for rows in (2, 20, 200):
        shares = np.full(6, 1 / 6)
        for _ in range(20):
            ours, theirs = (rng.multinomial(rows, shares, 30).astype(float) for _ in range(2))
            level = by_chance(ours, theirs, False, rng)
            exceeded += float(distance(ours.sum(axis=0), theirs.sum(axis=0), False)) > level
        levels.append(level)
    assert levels[0] > levels[1] > levels[2]
    assert exceeded == 0
    assert by_chance(ours[:1], theirs, False, rng) == 1.0
