"""A row's split is decided by its own values, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen import histogram
from components.example_gen.config import IngestSpec, SharesSpec, SplitSpec
from components.example_gen.histogram import MAX_BINS, Counts
from components.example_gen.split import (
    SplitPlan,
    assign,
    group_and_key,
    plan_split,
    splits_wanted,
)
from contracts.errors import DataError
from models.data.row_keys import hash_rows, time_keys

rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        st.one_of(st.none(), st.floats(allow_nan=False, width=32)),
        st.one_of(st.none(), st.binary(max_size=5)),
    ),
    min_size=1,
    max_size=60,
)
Row = tuple[int | None, float | None, bytes | None]


def columns_of(items: list[Row]) -> dict[str, pa.Array]:
    types = {"i": pa.int64(), "f": pa.float64(), "s": pa.binary()}
    return {
        name: pa.array(list(values), kind)
        for (name, kind), values in zip(types.items(), zip(*items, strict=True), strict=True)
    }


def plan(by: str = "row", columns: tuple[str, ...] = ("i", "f", "s"), **shares: float) -> SplitPlan:
    given_shares = SharesSpec(**shares) if shares else SharesSpec()
    wanted = (given_shares.train, given_shares.val, given_shares.test)
    return SplitPlan(by, columns, "label", wanted, {})


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_does_not_count(items: list[Row], random: Random) -> None:
    order = list(range(len(items)))
    random.shuffle(order)
    before = hash_rows(columns_of(items))
    moved = columns_of([items[at] for at in order])
    after = hash_rows(dict(reversed(moved.items())))
    assert after.tolist() == before[order].tolist()


@given(rows, st.integers(1, 59))
def test_the_cut_into_batches_does_not_count(items: list[Row], size: int) -> None:
    whole = assign(columns_of(items), plan())
    parts = [assign(columns_of(items[at : at + size]), plan()) for at in range(0, len(items), size)]
    assert np.concatenate(parts).tolist() == whole.tolist()


@given(st.lists(st.integers(-(2**31), 2**31), min_size=1))
def test_a_whole_number_is_the_same_as_int_and_as_float(items: list[int]) -> None:
    as_int = hash_rows({"a": pa.array(items, pa.int64())})
    as_float = hash_rows({"a": pa.array(items, pa.float64())})
    assert as_int.tolist() == as_float.tolist()


@given(st.lists(st.floats(-(2**24), 2**24, width=32), min_size=1))
def test_a_fraction_is_the_same_in_32_and_64_bits(items: list[float]) -> None:
    printed = [float(str(np.float32(item))) for item in items]
    short = hash_rows({"a": pa.array(items, pa.float32())})
    assert short.tolist() == hash_rows({"a": pa.array(printed, pa.float64())}).tolist()


def test_zero_has_no_sign() -> None:
    zeros = hash_rows({"a": pa.array([0.0, -0.0])})
    assert zeros[0] == zeros[1]


def test_the_hash_is_fixed_for_all_time() -> None:
    """Another hash would move rows between splits from one release to the next."""
    columns = columns_of([(1, 0.5, b"x"), (None, None, None), (-7, 1e30, "日本".encode())])
    assert hash_rows(columns).tolist() == GOLDEN


def test_missing_zero_and_empty_differ() -> None:
    numbers = hash_rows({"a": pa.array([None, 0])})
    texts = hash_rows({"a": pa.array([None, b"", b"0"])})
    assert len({*numbers.tolist(), *texts.tolist()}) == 4


def test_equal_columns_do_not_cancel() -> None:
    ids = pa.array(range(1000))
    hashes = hash_rows({"a": ids, "b": ids})
    assert len(set(hashes.tolist())) == 1000


def test_shares_are_kept_and_disjoint() -> None:
    columns = {"i": pa.array(range(100_000))}
    counts = np.bincount(assign(columns, plan(columns=("i",))), minlength=3)
    assert counts / 100_000 == pytest.approx([0.8, 0.1, 0.1], abs=0.005)


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [
        ({"train": 1.0, "val": 0.0, "test": 0.0}, ["train"]),
        ({"train": 0.7, "val": 0.0, "test": 0.3}, ["train", "test"]),
        ({"train": 0.9, "val": 0.1, "test": 0.0}, ["train", "val"]),
        ({"train": 0.0, "val": 0.5, "test": 0.5}, ["val", "test"]),
    ],
)
def test_a_split_without_a_share_gets_no_row(shares: dict[str, float], wanted: list[str]) -> None:
    got = assign({"i": pa.array(range(20_000))}, plan("row", ("i",), **shares))
    assert [["train", "val", "test"][at] for at in np.unique(got)] == wanted
    assert splits_wanted(SplitSpec(shares=SharesSpec(**shares))) == wanted


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.sampled_from(["row", "stratified"]))
def test_a_seed_decides_the_split_and_keeps_the_shares(one: int, other: int, by: str) -> None:
    columns = {"i": pa.array(range(6000)), "label": pa.array([b"no", b"no", b"yes"] * 2000)}

    def split(seed: int) -> list[int]:
        wanted = replace(plan(by, ("i", "label"), train=0.6, val=0.2, test=0.2), seed=seed)
        if wanted.needs_histogram:
            wanted = wanted.with_histogram(histogram.count(*group_and_key(columns, wanted)))
        return assign(columns, wanted).tolist()

    splits = split(one)
    assert splits == split(one)
    assert (splits == split(other)) == (one == other)
    assert np.bincount(splits) / 6000 == pytest.approx([0.6, 0.2, 0.2], abs=0.04)


def test_without_a_seed_hashes_are_those_of_all_time() -> None:
    columns = columns_of([(1, 0.5, b"x"), (None, None, None), (-7, 1e30, "日本".encode())])
    assert hash_rows(columns, seed=0).tolist() == GOLDEN
    assert not set(hash_rows(columns, seed=1).tolist()) & set(GOLDEN)


def test_rows_of_one_key_stay_together_with_any_seed() -> None:
    columns = {"key": pa.array([b"a", b"b", None] * 100), "x": pa.array(range(300))}
    splits = []
    for seed in range(20):
        got = assign(columns, replace(plan("key", ("key",)), seed=seed)).reshape(100, 3)
        assert (got == got[0]).all()
        splits.append(tuple(got[0].tolist()))
    assert len(set(splits)) > 1


def test_a_split_by_time_takes_no_seed() -> None:
    with pytest.raises(ValueError, match=r"takes no split\.seed"):
        SplitSpec(by="time", columns=("day",), seed=1)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=400),
    st.integers(1, 100),
    st.integers(1, 6),
)
def test_a_histogram_does_not_depend_on_the_parts(keys: list[int], size: int, bits: int) -> None:
    """Parts are merged from both ends, with so few bins that all of them are coarsened."""
    limit = histogram.MAX_BINS
    histogram.MAX_BINS = 1 << bits
    try:
        whole = Counts.of(np.array(keys, np.int64))
        parts = [Counts.of(np.array(keys[at : at + size])) for at in range(0, len(keys), size)]
        for merged in (_merge(parts), _merge(parts[::-1])):
            assert merged.shift == whole.shift
            assert merged.bins.tolist() == whole.bins.tolist()
            assert merged.rows.tolist() == whole.rows.tolist()
        assert len(whole.bins) <= 1 << bits
        assert whole.rows.sum() == len(keys)
    finally:
        histogram.MAX_BINS = limit


def _merge(parts: list[Counts]) -> Counts:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole


def test_a_histogram_is_bounded() -> None:
    counts = Counts.of(np.arange(0, 10 * MAX_BINS, dtype=np.int64))
    assert len(counts.bins) <= MAX_BINS
    assert counts.rows.sum() == 10 * MAX_BINS


def _split_by_time(values: pa.Array, **shares: float) -> list[int]:
    timed = plan("time", ("t",), **shares)
    columns = {"t": values}
    counted = histogram.count(*group_and_key(columns, timed))
    splits: list[int] = assign(columns, timed.with_histogram(counted)).tolist()
    return splits


def test_the_oldest_train_and_the_newest_test() -> None:
    days = np.random.default_rng(0).permutation(1000)
    got = np.array(_split_by_time(pa.array(days)))
    assert np.bincount(got).tolist() == [800, 100, 100]
    assert days[got == 0].max() < days[got == 1].min()
    assert days[got == 1].max() < days[got == 2].min()


def test_equal_times_stay_together_and_no_split_is_empty_while_times_last() -> None:
    got = _split_by_time(pa.array([1] * 90 + [2] * 5 + [3] * 5))
    assert got == [0] * 90 + [1] * 5 + [2] * 5
    assert _split_by_time(pa.array([1] * 98 + [2] + [3])) == [0] * 98 + [1, 2]


def test_a_time_split_of_two() -> None:
    got = _split_by_time(pa.array([b"2013-01-02", b"2013-01-01"]), train=0.5, val=0, test=0.5)
    assert got == [2, 0]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([-5, 0, 7]),
        pa.array([float("-inf"), -1.5, -0.5, 0.0, 0.25, 1e300]),
        pa.array(
            [
                b"1066-10-14",
                b"2013-01-01",
                b"2013-01-01T00:30:00+00:00",
                b"2013-01-01 03:00:00+02:00",
                b"2013-01-01 01:00:00.000000001Z",
                b"2013-01-01 01:30",
                b"2013-01-02T00:00:00.5",
            ]
        ),
    ],
)
def test_time_keys_keep_the_order(values: pa.Array) -> None:
    keys = time_keys(values)
    assert sorted(keys.tolist()) == keys.tolist()
    assert len(set(keys.tolist())) >= len(values) - 1


@pytest.mark.parametrize(
    ("values", "at"),
    [
        (pa.array([1, None]), 1),
        (pa.array([b"2013-01-01", b"2013-01-02", b"soon", b"later"]), 2),
        (pa.array([b"2013-13-01"]), 0),
    ],
)
def test_what_is_no_time_is_pointed_at(values: pa.Array, at: int) -> None:
    with pytest.raises(ValueError, match=str(at)) as caught:
        time_keys(values)
    assert caught.value.args == (at,)


def test_stratified_keeps_the_proportions_of_each_class() -> None:
    labels = [b"rare"] * 100 + [b"common"] * 9900
    columns = {"i": pa.array(range(10_000)), "label": pa.array(labels)}
    stratified = plan("stratified", ("i", "label"))
    groups, keys = group_and_key(columns, stratified)
    counted = histogram.merge(
        [histogram.count(groups[:50], keys[:50]), histogram.count(groups[50:], keys[50:])]
    )
    got = assign(columns, stratified.with_histogram(counted))
    assert np.bincount(got[:100]).tolist() == [80, 10, 10]
    assert np.bincount(got[100:]) == pytest.approx([7920, 990, 990], abs=2)


def test_a_histogram_survives_a_file(tmp_path: Path) -> None:
    path = tmp_path / "counts.npz"
    counted = {7: Counts.of(np.array([1, 1, 5])), 2**64 - 1: Counts.of(np.arange(3))}
    histogram.save(path, counted)
    loaded = histogram.load(path)
    assert list(loaded) == list(counted)
    for group, counts in counted.items():
        assert loaded[group].bins.tolist() == counts.bins.tolist()
        assert loaded[group].rows.tolist() == counts.rows.tolist()


def test_the_plan_of_a_spec_hashes_all_but_kept_columns_unless_some_are_named() -> None:
    spec = IngestSpec(
        path="x",
        format="csv",
        spans="all",
        delimiter=",",
        null_values=(),
        split=SplitSpec(),
        columns=("a", "y", "file"),
        kept=("file",),
        numbers=(),
        label="y",
        task="binary",
        where="",
    )
    assert plan_split(spec).columns == ("a", "y")
    keyed = spec.model_copy(update={"split": SplitSpec(by="key", columns=("k",))})
    assert plan_split(keyed).columns == ("k",)
    for by in ({"by": "row"}, {"by": "column", "columns": ("k",)}):
        seeded = spec.model_copy(update={"split": SplitSpec(**by, seed=5)})
        assert plan_split(seeded).seed == 5
        assert "file" not in plan_split(seeded).columns


GOLDEN = [5399377416778756912, 14546753469824046031, 12677584360362075841]


def test_a_column_names_the_split_and_train_is_shared_with_val() -> None:
    marks = pa.array([b"test", b"train", b"val"] * 400, pa.binary())
    columns = {"i": pa.array(range(1200), pa.int64()), "part": marks}
    by_column = SplitPlan("column", ("i",), "label", (0.6, 0.2, 0.2), {}, "part")
    splits = assign(columns, by_column).reshape(-1, 3)
    assert set(splits[:, 0].tolist()) == {2}
    assert set(splits[:, 2].tolist()) == {1}
    assert 0.2 < float(np.mean(splits[:, 1] == 1)) < 0.3
    assert set(splits[:, 1].tolist()) == {0, 1}
    assert splits_wanted(SplitSpec(by="column", columns=("part",))) == ["train", "val", "test"]


@pytest.mark.parametrize("marks", [pa.array([b"train", b"tset"]), pa.array([b"train", None])])
def test_a_row_that_names_no_split_is_refused(marks: pa.Array) -> None:
    columns = {"i": pa.array([1, 2], pa.int64()), "part": marks}
    by_column = SplitPlan("column", ("i",), "label", (0.6, 0.2, 0.2), {}, "part")
    with pytest.raises(DataError, match="'part' names no split") as caught:
        assign(columns, by_column)
    assert caught.value.received in ("'tset'", "None")
