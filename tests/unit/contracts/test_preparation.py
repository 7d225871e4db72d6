"""The one preparation, of rows as requests bring them and as a table holds them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.columns import MISSING_INT, RawInput, served_columns
from contracts.errors import DataError
from contracts.names import serving_name
from contracts.preparation import Preparation, RowPreparation
from tests.fixtures.raw_feature import raw_feature as feature

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


def prepared(fields, values, dtype):
    one = feature(**fields)
    return RowPreparation(Preparation(features=[one]))({one.port: np.array(values, dtype)})


def as_served(one, values):
    """The values as the codec gives them."""
    if one.input.dtype == "string":
        return np.array([(value or "").encode() for value in values], object)
    if one.input.dtype == "int64":
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
def test_a_table_is_prepared_as_requests_are(rows):
    features = [feature(**fields) for fields in FEATURES]
    columns = dict(zip(features, zip(*rows, strict=True), strict=True))
    wanted = {one.port: as_served(one, values) for one, values in columns.items()}
    kinds = {"int64": pa.int64(), "float32": pa.float32(), "string": pa.string()}
    table = pa.table(
        {one.column: pa.array(values, kinds[one.raw]) for one, values in columns.items()}
    )
    got = served_columns(table, {one.port: one.input for one in features})
    assert got.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)
        assert got[name].dtype == values.dtype


def test_a_boolean_is_one_half_where_missing():
    assert from_table(FEATURES[4], [0, 1, None])["flag"].tolist() == [[0.0], [1.0], [0.5]]
    assert from_table(FEATURES[4], [False, True, None])["flag"].tolist() == [[0.0], [1.0], [0.5]]


def test_a_column_that_is_absent_is_missing_in_every_row():
    features = [feature(**FEATURES[0]), feature(**FEATURES[5])]
    columns = served_columns(pa.table({"other": [1]}), {one.port: one.input for one in features})
    prepared_row = RowPreparation(Preparation(features=features))(columns)
    assert {name: values.tolist() for name, values in prepared_row.items()} == {
        "n": [[0.25]],
        "n_missing": [[1.0]],
        "w": [[1]],
    }


def test_text_that_is_not_utf_8_is_an_unknown_word():
    assert from_table(FEATURES[5], [b"\xff", b"b", None])["w"].tolist() == [[3], [0], [1]]


def test_a_part_of_a_table_is_prepared_as_the_whole():
    """Arrow 18 puts null into a sliced column of text in the wrong places."""
    table = pa.table({"w": ["ä", "", None, "b", "c"] * 20, "c": [10, None, 2, MISSING_INT, 3] * 20})
    dtypes = {"w": RawInput("string"), "c": RawInput("int64")}
    whole, part = served_columns(table, dtypes), served_columns(table.slice(7, 50), dtypes)
    for name, values in part.items():
        assert values.tolist() == whole[name][7:57].tolist()


def test_constants_survive_json_to_the_last_bit():
    exact = FEATURES[0] | {"filler": float(np.float32(0.1)), "offset": 1 / 3}
    whole = Preparation(features=[exact, FEATURES[5]])
    assert Preparation.model_validate_json(json.dumps(whole.model_dump(mode="json"))) == whole


def from_table(fields, values):
    one = feature(**fields)
    columns = served_columns(pa.table({one.column: values}), one.inputs)
    return RowPreparation(Preparation(features=[one]))(columns)


def test_no_rows_are_no_rows():
    ours = [feature(**fields) for fields in FEATURES]
    prepare = RowPreparation(Preparation(features=ours))
    features = prepare({one.port: as_served(one, []) for one in ours})
    assert {len(values) for values in features.values()} == {0}
    assert features["hour"].shape == (0, 2)


@pytest.mark.parametrize(
    "name", ["plain", "with space", "1st", "class", "größe", "_hidden", "a-b", "名前", "self"]
)
def test_inputs_are_named_as_the_savedmodel_names_them(name):
    one = feature(column=name, kind="numeric", raw="float32", filler=0.0)
    assert one.port == serving_name(name)


@pytest.mark.parametrize(
    ("fields", "reported"),
    [
        ({"kind": "numeric", "raw": "float32"}, "filler\n  Field required"),
        ({"kind": "numeric", "raw": "float32", "filler": 1, "offset": 2}, "lacks scale"),
        ({"kind": "cyclic", "raw": "float32"}, "angle\n  Field required"),
        ({"kind": "vocabulary", "raw": "string"}, "vocabulary\n  Field required"),
        ({"kind": "numeric", "raw": "string", "filler": 1}, "Input should be 'int64' or 'float32'"),
    ],
)
def test_constants_that_are_missing_are_named(fields, reported):
    with pytest.raises(ValidationError, match=reported):
        feature(column="x", **fields)


def test_a_description_of_an_earlier_release_is_read():
    """Every feature had the keys of all kinds then, null where its own kind has none."""
    every = dict.fromkeys(("filler", "low", "high", "quantiles", "scores", "offset", "scale"))
    every |= {"angle": None, "vocabulary": None, "log": False, "missing_indicator": False}
    older = Preparation.model_validate_json(
        json.dumps({"features": [every | fields for fields in FEATURES]})
    )
    assert older == Preparation.model_validate({"features": list(FEATURES)})


def test_a_kind_that_no_release_knows_is_refused():
    with pytest.raises(ValidationError, match="'hologram'"):
        feature(column="x", kind="hologram", raw="string")


def test_lists_of_a_table_are_rows_of_a_fixed_shape():
    inputs = {"w": RawInput("float32", (2,)), "absent": RawInput("float32", (2, 1))}
    table = pa.table({"w": pa.array([[1, 2], None, [None, 4]], pa.list_(pa.int64()))})
    columns = served_columns(table, inputs)
    np.testing.assert_array_equal(
        columns["w"], [[1, 2], [np.nan, np.nan], [np.nan, 4]], strict=False
    )
    assert columns["absent"].shape == (3, 2, 1)
    assert np.isnan(columns["absent"]).all()
    with pytest.raises(DataError, match="'w' does not hold lists of 2") as caught:
        served_columns(pa.table({"w": [[1.0, 2.0], [3.0]]}), inputs)
    assert "row 2" in caught.value.where
