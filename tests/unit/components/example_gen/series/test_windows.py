"""Windows of series: which there are, what they hold, and what is odd about the steps."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.example_gen.config import IngestSpec, SharesSpec, SplitSpec
from components.example_gen.series import clock
from components.example_gen.series.buckets import plan_buckets
from components.example_gen.series.clock import Clock, Times, configured_step, learn_clock
from components.example_gen.series.cut import Cutting, cut_bucket
from components.example_gen.series.findings import SeriesFindings, findings_from_json
from components.example_gen.series.spec import SeriesSpec
from components.example_gen.series.spread import ORDER, SERIES, TIME
from components.example_gen.series.windows import Borders, segments
from contracts.errors import ConfigError, DataError

STEP = 10
CLOCK = Clock(STEP, 0, 0, 100 * STEP)


def _spec(context=3, horizon=2, stride=1, **series):
    spec = SeriesSpec(
        time="t", id="who", context=context, horizon=horizon, stride=stride, known=("k",), **series
    )
    return IngestSpec(
        path="x",
        format="auto",
        spans="all",
        split=SplitSpec(by="time", columns=("t",), shares=SharesSpec()),
        series=spec,
        columns=("y_past", "k_future", "y", "t", "who"),
        numbers=("y_past", "k_future", "y"),
        lists={"y_past": context, "k_future": horizon, "y": horizon},
        label="y",
        task="regression",
        where="series.yaml",
    )


def _table(steps, who="a", values=None):
    steps = np.array(steps, np.int64)
    y = steps.astype(float) if values is None else np.array(values, float)
    return pa.table(
        {
            "t": pa.array(steps * STEP),
            "who": pa.array([who.encode()] * len(steps)),
            "y": pa.array(y, from_pandas=True),
            "k": pa.array(steps * 100.0),
            TIME: pa.array(steps * STEP),
            SERIES: pa.array([who] * len(steps)).dictionary_encode(),
            ORDER: pa.array(np.arange(len(steps), dtype=np.uint64)),
        }
    )


def _windows(table, spec, borders, parts=1):
    """All windows as rows, in the order of series and start, and what was found."""
    plan = plan_buckets(table.num_rows, CLOCK, spec.series, 1)
    if parts > 1:
        span = int(CLOCK.last // CLOCK.step) + 1
        length = max(-(-span // parts), 2 * spec.series.context + spec.series.horizon)
        plan = plan.__class__(1, parts, length, plan.origin, plan.before, plan.after)
    findings, rows = SeriesFindings(), []
    steps = CLOCK.places(table[TIME].to_numpy())
    groups = np.zeros(table.num_rows, np.int64)
    held = {bucket.index: [] for bucket in plan.buckets()}
    for places, buckets in plan.places(steps, groups):
        for index in np.unique(buckets):
            held[int(index)].append(table.take(pa.array(places[buckets == index])))
    for bucket in plan.buckets():
        if held[bucket.index]:
            part = pa.concat_tables(held[bucket.index]).unify_dictionaries()
            for batch in cut_bucket(part, bucket, Cutting(spec, CLOCK, borders, True), findings):
                columns = {name: values.to_pylist() for name, values in batch.columns.items()}
                for at, split in enumerate(batch.splits.tolist()):
                    rows.append(
                        (
                            split,
                            *(
                                tuple(np.atleast_1d(columns[name][at]))
                                if name in spec.lists
                                else columns[name][at]
                                for name in spec.columns
                            ),
                        )
                    )
    findings.join_parts(CLOCK)
    return sorted(rows, key=lambda row: (row[5], row[4])), findings


def test_a_window_holds_its_past_its_known_future_and_its_label():
    rows, _ = _windows(_table(range(12)), _spec(), Borders(60, 10_000))
    assert rows[0] == (0, (0, 1, 2), (300, 400), (3, 4), 30, b"a")
    # Labels of train end before 60; contexts of val begin a gap of two steps after it.
    assert [row[4] // STEP for row in rows if row[0] == 0] == [3, 4]
    assert [row[4] // STEP for row in rows if row[0] == 1] == []
    rows, _ = _windows(_table(range(20)), _spec(), Borders(60, 10_000))
    assert [row[4] // STEP for row in rows if row[0] == 1] == list(range(11, 19))


@settings(max_examples=40, deadline=None)
@given(
    steps=st.sets(st.integers(0, 60), min_size=5),
    context=st.integers(2, 5),
    horizon=st.integers(2, 4),
    stride=st.integers(1, 3),
    val=st.integers(5, 40),
    test=st.integers(0, 20),
    parts=st.integers(1, 4),
    seed=st.integers(0, 3),
)
def test_every_start_is_one_window_within_one_split_whatever_the_buckets(
    steps, context, horizon, stride, val, test, parts, seed
):
    spec = _spec(context, horizon, stride)
    borders = Borders(val * STEP, (val + test) * STEP)
    ordered = sorted(steps)
    shuffled = np.random.default_rng(seed).permutation(ordered)
    rows, found = _windows(_table(shuffled), spec, borders, parts=parts)
    gaps = [after - before - 1 for before, after in itertools.pairwise(ordered)]
    gaps = [missing for missing in gaps if missing]
    assert found.series == 1
    assert (found.missing.count, found.gaps) == (sum(gaps), len(gaps))
    assert found.longest_gap == max(gaps, default=0)

    present, gap = set(ordered), spec.series.steps_between
    expected = []
    for start in range(61):
        if start % stride or not all(start + at in present for at in range(horizon)):
            continue
        before = [step for step in ordered if step <= start - context]
        run = [step for step in ordered if step >= (before[-1] if before else 10_000)]
        breaks = [b for a, b in itertools.pairwise(run) if b - a - 1 >= context]
        if not before or any(b <= start for b in breaks):
            continue
        first, last = start - context, start + horizon - 1
        if last < val:
            expected.append((0, start))
        elif first >= val + test + gap:
            expected.append((2, start))
        elif first >= val + gap and last < val + test:
            expected.append((1, start))
    assert [(row[0], row[4] // STEP) for row in rows] == expected
    for row in rows:
        start = row[4] // STEP
        past = [float(s) if s in present else np.nan for s in range(start - context, start)]
        np.testing.assert_array_equal(row[1], past)
        assert row[3] == tuple(float(start + at) for at in range(horizon))


def test_series_do_not_mix_and_odd_steps_are_counted_with_time_and_id():
    a = _table([0, 1, 2, 3, 4, 4, 5, 9, 10])
    b = _table(range(3, 12), "b")
    odd = _table([20], "b").set_column(4, TIME, pa.array([207]))
    table = pa.concat_tables([b, a, odd]).unify_dictionaries()
    rows, found = _windows(table, _spec(), Borders(10_000, 10_001))
    assert [(row[5], row[4] // STEP) for row in rows] == [
        (b"a", 3), (b"a", 4), *((b"b", step) for step in range(6, 11))
    ]  # fmt: skip
    assert (found.duplicates.count, found.place(found.duplicates)) == (
        1, "1970-01-01 00:00:00.000040 of a",
    )  # fmt: skip
    assert (found.between.count, found.between.examples) == (1, [(207, "b")])
    assert (found.missing.count, found.gaps, found.longest_gap) == (3, 1, 3)
    assert found.missing.examples == [(60, "a")]
    assert found.series == 2


def test_a_label_that_lacks_a_step_makes_no_window():
    values = [0, 1, 2, 3, np.nan, 5, 6, 7]
    rows, _ = _windows(_table(range(8), values=values), _spec(), Borders(10_000, 10_001))
    assert [row[4] // STEP for row in rows] == [5, 6]
    np.testing.assert_array_equal(rows[0][1], [2, 3, np.nan])


def test_a_label_of_one_value_is_the_one_at_the_start():
    spec = _spec()
    spec = spec.model_copy(update={"lists": {"y_past": 3, "k_future": 2}})
    rows, _ = _windows(_table(range(6)), spec, Borders(10_000, 10_001))
    assert rows == [
        (0, (0, 1, 2), (300, 400), 3.0, 30, b"a"),
        (0, (1, 2, 3), (400, 500), 4.0, 40, b"a"),
    ]


def test_a_gap_behind_the_last_start_of_a_bucket_ends_no_window():
    spec = _spec()
    spec = spec.model_copy(update={"lists": {"y_past": 3, "k_future": 2}})
    # With two parts, the first bucket's last start is step 50.
    table = _table([step for step in range(40, 66) if step not in (51, 52)])
    whole, _ = _windows(table, spec, Borders(10_000, 10_001))
    assert 50 in [row[4] // STEP for row in whole]
    parted, _ = _windows(table, spec, Borders(10_000, 10_001), parts=2)
    # Not as tuples: a missing step is no number, and differs from itself.
    assert list(map(str, parted)) == list(map(str, whole))


def test_a_gap_over_several_parts_of_the_time_is_one_gap_and_its_series_one_series():
    a, late = _table([0, 1, 55, 56]), _table([40, 41], "late")
    table = pa.concat_tables([a, late]).unify_dictionaries()
    for parts in (1, 2, 5):
        _, found = _windows(table, _spec(), Borders(10_000, 10_001), parts=parts)
        assert (found.series, found.gaps, found.longest_gap) == (2, 1, 53), parts
        assert (found.missing.count, found.missing.examples) == (53, [(2 * STEP, "a")])
        assert findings_from_json(found.to_json()) == found


def test_a_sensor_that_is_stuck_from_the_end_of_a_bucket_on_is_found():
    values = np.where(np.arange(30) < 20, np.arange(30), 20.0)
    table = _table(range(31, 61), values=values)
    for parts in (1, 2):
        _, found = _windows(table, _spec(8), Borders(10_000, 10_001), parts=parts)
        assert found.stuck["y"].examples == [(51 * STEP, "a")], parts
    table = _table(range(30, 60), values=values)
    _, found = _windows(table, _spec(8), Borders(10_000, 10_001), parts=2)
    assert found.stuck["y"].examples == [(50 * STEP, "a")]


def test_rows_far_apart_are_passed_over_at_once():
    steps = np.concatenate([np.arange(1000) * 7, 10_000 + np.arange(5), 20_000 + np.arange(4)])
    (segment,) = segments(steps, np.arange(len(steps)), _spec().series)
    assert (segment.first, segment.rows.tolist()) == (10_000, list(range(1000, 1005)))


def test_irregular_times_are_counted_within_bounds(monkeypatch):
    monkeypatch.setattr(clock, "_HELD", 100)
    times = Times()
    for part in range(20):
        irregular = np.cumsum(np.arange(1, 101)) + part * 10**6
        times.add(np.zeros(100, np.int64), irregular, None)
        times.add(np.zeros(50, np.int64), np.arange(50) * 7, None)
    assert len(times.distances) <= 200
    assert all(len(phases) <= 200 for phases in times.phases.values())
    assert learn_clock(times, None, "x.yaml").step == 7


def test_a_step_without_a_unit_is_no_step_of_dates():
    with pytest.raises(ConfigError, match=r"step is 3600, and the time column 't' holds dates"):
        configured_step(_spec(step=3600).series, True, "x")
    assert configured_step(_spec(step=3600).series, False, "x") == 3600
    assert configured_step(_spec(step="1h").series, True, "x") == 3600 * 10**6
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        _spec(step=0)


def test_the_clock_is_the_commonest_distance_and_phase():
    times = Times()
    stamps = pd.date_range("2014-01-01 00:15", periods=9, freq="30min").astype("int64") // 1000
    stamps = np.append(stamps.to_numpy(), stamps[-1] + 1)
    times.add(np.zeros(10, np.int64), stamps, None)
    learned = learn_clock(times, None, "x.yaml")
    assert learned.step == 30 * 60 * 10**6
    assert learned.phase == 15 * 60 * 10**6
    assert learned.on_step(stamps).tolist() == [True] * 9 + [False]
    with pytest.raises(DataError, match="no series has two rows"):
        learn_clock(Times(), None, "x.yaml")
