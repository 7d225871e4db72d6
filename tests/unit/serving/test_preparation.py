"""Serving's own preparation, by itself and against the one that variants are judged with."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.names import serving_name
from models.compression.preparation import Preparation as Judged
from models.compression.preparation import Prepared, prepare
from serving.preparation import Preparation, RawFeature

MISSING_INT = -(2**63)
FEATURES = (
    {"column": "n", "kind": "numeric", "raw": "float32", "missing_indicator": True}
    | {"filler": 2.0, "offset": 1.0, "scale": 4.0},
    {"column": "plain n", "kind": "numeric", "raw": "int64", "filler": 7.0},
    {"column": "hour", "kind": "cyclic", "raw": "float32", "angle": float(np.float32(np.pi / 12))},
    {"column": "month", "kind": "cyclic", "raw": "int64", "missing_indicator": True}
    | {"angle": float(np.float32(np.pi / 6))},
    {"column": "flag", "kind": "boolean", "raw": "int64", "filler": 0.5},
    {"column": "w", "kind": "vocabulary", "raw": "string", "vocabulary": ("b", "__missing__", "ä")},
    {"column": "c", "kind": "categorical", "raw": "int64", "vocabulary": ("10", "__missing__")},
    {"column": "r", "kind": "categorical", "raw": "float32"}
    | {"vocabulary": ("1.5", "1e+06", "-0", "__missing__", "inf")},
)
NUMBERS = st.one_of(
    st.none(), st.floats(-(2.0**59), 2.0**59, width=32), st.sampled_from([np.inf, -0.0])
)
INTEGERS = st.one_of(st.none(), st.integers(-(2**53), 2**53), st.just(10))
FLAGS = st.sampled_from([0, 1, 5, None])
WORDS = st.sampled_from(["b", "ä", "c", "", "__missing__", "b\0", None])
REALS = st.sampled_from([1.5, 1e6, 0.0, -0.0, 2.0, np.inf, None])
ROW = st.tuples(NUMBERS, INTEGERS, NUMBERS, INTEGERS, FLAGS, WORDS, INTEGERS, REALS)


def feature(**fields):
    return RawFeature.model_validate(fields)


def prepared(fields, values, dtype):
    one = feature(**fields)
    return Preparation([one])({one.port: np.array(values, dtype)})


def as_served(one, values):
    """The values as the codec gives them."""
    if one.dtype == "string":
        return np.array([(value or "").encode() for value in values], object)
    if one.dtype == "int64":
        return np.array([MISSING_INT if value is None else value for value in values], np.int64)
    return np.array([np.nan if value is None else value for value in values], np.float32)


def test_a_number_is_filled_moved_and_scaled():
    features = prepared(FEATURES[0], [5.0, np.nan, np.inf], np.float32)
    assert features["n"].tolist() == [[1.0], [0.25], [0.25]]
    assert features["n_missing"].tolist() == [[0.0], [1.0], [1.0]]
    assert features["n"].dtype == features["n_missing"].dtype == np.float32


def test_a_number_of_an_integer_column_loses_its_decimals_as_in_the_graph():
    features = prepared(FEATURES[1], [3.9, -3.9, np.nan, 2.0**63, -(2.0**70)], np.float32)
    assert features["plain n"].tolist() == [[3.0], [-3.0], [7.0], [7.0], [7.0]]


def test_a_missing_place_on_the_circle_is_its_centre():
    circle = prepared(FEATURES[2], [6.0, np.nan], np.float32)["hour"]
    np.testing.assert_allclose(circle, [[1.0, 0.0], [0.0, 0.0]], atol=1e-6)


def test_words_become_ids_and_unknown_ones_share_the_last():
    words = [b"b", b"", "ä".encode(), b"c", b"__missing__", b"\xff", b"b\0"]
    assert prepared(FEATURES[5], words, object)["w"][:, 0].tolist() == [0, 1, 2, 3, 1, 3, 3]


def test_integers_are_looked_up_as_they_are_written():
    fields = FEATURES[6] | {"vocabulary": ("10", "07", "__missing__", "-3", "x")}
    numbers = [10, 7, MISSING_INT, -3, 0]
    assert prepared(fields, numbers, np.int64)["c"][:, 0].tolist() == [0, 5, 2, 3, 5]


def test_without_a_word_for_it_missing_is_unknown():
    fields = FEATURES[6] | {"vocabulary": ("10",)}
    assert prepared(fields, [MISSING_INT, 10], np.int64)["c"][:, 0].tolist() == [1, 0]


def test_floats_are_looked_up_in_their_short_form():
    values = [1.5, 1e6, -0.0, 0.0, np.nan, np.inf]
    assert prepared(FEATURES[7], values, np.float32)["r"][:, 0].tolist() == [0, 1, 2, 5, 3, 4]


@settings(deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30))
def test_all_is_as_what_variants_are_judged_with(rows):
    ours = [feature(**fields) for fields in FEATURES]
    columns = dict(zip(ours, zip(*rows, strict=True), strict=True))
    got = Preparation(ours)({one.port: as_served(one, v) for one, v in columns.items()})
    kinds = {"int64": pa.int64(), "float32": pa.float32(), "string": pa.string()}
    table = pa.table(
        {one.column: pa.array(values, kinds[one.raw]) for one, values in columns.items()}
    )
    wanted = prepare(table, Judged(tuple(Prepared(**fields) for fields in FEATURES)))
    assert got.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)
        assert got[name].dtype == values.dtype


def test_no_rows_are_no_rows():
    ours = [feature(**fields) for fields in FEATURES]
    features = Preparation(ours)({one.port: as_served(one, []) for one in ours})
    assert {len(values) for values in features.values()} == {0}
    assert features["hour"].shape == (0, 2)


@given(st.text(min_size=1) | st.sampled_from(["self", "class", "🌧", "größe", "_hidden", "1st"]))
def test_inputs_are_named_as_the_savedmodel_names_them(name):
    one = feature(column=name, kind="numeric", raw="float32", filler=0.0)
    assert one.port == serving_name(name)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "numeric", "raw": "float32"}, "lacks filler"),
        ({"kind": "numeric", "raw": "float32", "filler": 1, "offset": 2}, "lacks scale"),
        ({"kind": "cyclic", "raw": "float32"}, "lacks angle"),
        ({"kind": "vocabulary", "raw": "string"}, "lacks vocabulary"),
        ({"kind": "numeric", "raw": "string", "filler": 1}, "holds text"),
    ],
)
def test_constants_that_are_missing_are_named(fields, told):
    with pytest.raises(ValidationError, match=told):
        feature(column="x", **fields)
