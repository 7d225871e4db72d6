"""Kinds of columns, and values in their canonical form."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen import kinds

WORDS = ["true", "FALSE", "0", "7", "-3", " 5", "1.5", "1e3", "+2", "inf", "nan", "0x1F", "", "x"]
values = st.lists(st.one_of(st.none(), st.sampled_from(WORDS)), max_size=100)


def text(items: list[str | None]) -> pa.Array:
    return pa.array(items, pa.string())


@pytest.mark.parametrize(
    ("items", "kind"),
    [
        ([None, None], "null"),
        (["true", None, "False"], "bool"),
        (["1", "0"], "int"),
        (["1", "true"], "int"),
        ([" 5 ", "-7"], "int"),
        (["007"], "int"),
        (["1", "2.0"], "float"),
        (["99999999999999999999"], "float"),
        (["1e5", "nan", "true"], "float"),
        (["1", "x"], "text"),
        (["0x1F"], "text"),
        (["2013-01-01"], "text"),
    ],
)
def test_the_kind_of_text(items: list[str | None], kind: str) -> None:
    assert kinds.kind_of_text(text(items)) == kind


@given(values, st.integers(0, 100))
def test_a_kind_does_not_depend_on_blocks(items: list[str | None], cut: int) -> None:
    """Blocks are joined in either order, one knowing the other's kind or not."""
    whole = kinds.kind_of_text(text(items))
    one, two = text(items[:cut]), text(items[cut:])
    assert kinds.join([kinds.kind_of_text(one), kinds.kind_of_text(two)]) == whole
    assert kinds.kind_of_text(two, kinds.kind_of_text(one)) == whole
    assert kinds.kind_of_text(one, kinds.kind_of_text(two)) == whole


@given(values)
def test_what_parses_at_one_kind_parses_at_every_higher_one(items: list[str | None]) -> None:
    column = text(items)
    low = kinds.CHAIN.index(kinds.kind_of_text(column))
    for kind in kinds.CHAIN[low:]:
        parsed = kinds.parse(column, kind)
        assert parsed is not None
        assert len(parsed) == len(column)


def test_blanks_and_words_become_numbers() -> None:
    parsed = kinds.parse(text([" 5", "true", "FALSE", "  ", None]), kinds.INT)
    assert parsed is not None
    assert parsed.to_pylist() == [5, 1, 0, None, None]


def test_not_a_number_is_missing() -> None:
    parsed = kinds.parse(text(["nan", "1.5"]), kinds.FLOAT)
    assert parsed is not None
    assert parsed.to_pylist() == [None, 1.5]


@pytest.mark.parametrize("at", [0, 1, 40, 99])
def test_the_first_invalid_is_found(at: int) -> None:
    items: list[str | None] = ["1.5"] * 100
    items[at] = "x"
    items[99] = "y" if at != 99 else "x"
    assert kinds.first_invalid(text(items), kinds.FLOAT) == at


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pa.array([True, None]), "bool", [1, None]),
        (pa.array([1, 255], pa.uint8()), "int", [1, 255]),
        (pa.array([1.5, np.nan], pa.float32()), "float", [1.5, None]),
        (pa.array([True, False]), "float", [1.0, 0.0]),
        (pa.array([decimal.Decimal("1.10")]), "float", [1.1]),
        (pa.array(["x", None], pa.large_string()), "text", [b"x", None]),
        (pa.array(["x", "y"]).dictionary_encode(), "text", [b"x", b"y"]),
        (pa.array([1, 2]), "text", [b"1", b"2"]),
        (pa.array([dt.date(2013, 1, 2)]), "text", [b"2013-01-02"]),
        (pa.array([dt.date(2013, 1, 2)], pa.date64()), "text", [b"2013-01-02"]),
        (pa.nulls(2), "float", [None, None]),
    ],
)
def test_typed_values_become_canonical(array: pa.Array, kind: str, expected: list[object]) -> None:
    assert kinds.canonical(array, kind).to_pylist() == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_moment_reads_the_same_in_every_unit(unit: str) -> None:
    moment = dt.datetime(2013, 1, 2, 10, tzinfo=dt.timezone.utc)
    local = pa.array([moment.replace(tzinfo=None)], pa.timestamp(unit))
    zoned = pa.array([moment], pa.timestamp(unit, "America/New_York"))
    assert kinds.canonical(local, "text").to_pylist() == [b"2013-01-02 10:00:00"]
    assert kinds.canonical(zoned, "text").to_pylist() == [b"2013-01-02 10:00:00Z"]


def test_a_fraction_of_a_second_stays() -> None:
    moment = pa.array(["2013-01-02 10:00:00.25"]).cast(pa.timestamp("us"))
    assert kinds.canonical(moment, "text").to_pylist() == [b"2013-01-02 10:00:00.25"]


def test_an_integer_of_64_unsigned_bits_does_not_fit() -> None:
    with pytest.raises(pa.ArrowInvalid):
        kinds.canonical(pa.array([2**63], pa.uint64()), "int")


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.struct([("a", pa.int64())]), pa.map_(pa.string(), pa.int64())]
)
def test_a_nested_type_has_no_kind(kind: pa.DataType) -> None:
    assert kinds.kind_of_type(kind) is None
