import json
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.compression.preparation import Preparation, Prepared, prepare
from models.features.spec import MISSING_INT

NUMBER = Prepared("n", "numeric", "float32", True, filler=2.0, offset=1.0, scale=4.0)
WORDS = Prepared("w", "vocabulary", "string", vocabulary=("b", "__missing__", "a"))


def _one(prepared, values, kind=None):
    table = pa.table({prepared.column: pa.array(values, kind)})
    return prepare(table, Preparation((prepared,)))


def test_a_number_is_filled_moved_and_scaled():
    features = _one(NUMBER, [5.0, None, float("nan"), float("inf")], pa.float32())
    assert features["n"].dtype == np.float32
    assert features["n"].tolist() == [[1.0], [0.25], [0.25], [0.25]]
    assert features["n_missing"].tolist() == [[0.0], [1.0], [1.0], [1.0]]


def test_a_number_without_a_scale_is_only_filled():
    plain = Prepared("n", "numeric", "int64", filler=7.0)
    assert _one(plain, [3, None, MISSING_INT])["n"].tolist() == [[3.0], [7.0], [7.0]]


def test_a_missing_place_on_the_circle_is_its_centre():
    hour = Prepared("h", "cyclic", "int64", angle=float(np.float32(2 * np.pi / 24)))
    circle = _one(hour, [6, None])["h"]
    np.testing.assert_allclose(circle, [[1.0, 0.0], [0.0, 0.0]], atol=1e-6)


def test_a_boolean_is_one_half_where_missing():
    flag = Prepared("f", "boolean", "int64", filler=0.5)
    assert _one(flag, [0, 1, None])["f"].tolist() == [[0.0], [1.0], [0.5]]
    assert _one(flag, [False, True, None])["f"].tolist() == [[0.0], [1.0], [0.5]]


def test_words_become_ids_and_unknown_ones_share_the_last():
    assert _one(WORDS, ["a", "b", "c", None, ""])["w"].tolist() == [[2], [0], [3], [1], [1]]


def test_numbers_as_categories_are_looked_up_as_they_are_written():
    code = Prepared("c", "categorical", "int64", vocabulary=("10", "__missing__"))
    assert _one(code, [10, 11, None, MISSING_INT])["c"].tolist() == [[0], [2], [1], [1]]
    real = Prepared("c", "categorical", "float32", vocabulary=("1.5", "1e+06", "__missing__"))
    values = [1.5, 1e6, 2.0, None, float("nan")]
    assert _one(real, values, pa.float32())["c"].tolist() == [[0], [1], [3], [2], [2]]


def test_a_column_that_is_absent_is_missing_in_every_row():
    features = prepare(pa.table({"other": [1, 2]}), Preparation((NUMBER, WORDS)))
    assert features["n"].tolist() == [[0.25], [0.25]]
    assert features["w"].tolist() == [[1], [1]]


def test_constants_survive_json_to_the_last_bit():
    exact = Prepared(
        "n", "numeric", "float32", filler=float(np.float32(0.1)), offset=1 / 3, scale=3
    )
    whole = Preparation((exact, WORDS))
    assert Preparation.from_dict(json.loads(json.dumps(asdict(whole)))) == whole


def test_a_part_of_a_table_is_prepared_as_the_whole():
    """Arrow 18 puts null into a sliced column of text in the wrong places."""
    texts = ["a", "", None, "b", "c"] * 20
    code = Prepared("c", "categorical", "int64", vocabulary=("1", "__missing__", "2"))
    real = Prepared("r", "categorical", "float32", vocabulary=("0.5", "__missing__"))
    table = pa.table(
        {
            "w": texts,
            "c": [1, None, 2, MISSING_INT, 3] * 20,
            "n": pa.array([1.0, None, 2.0, 3.0, 4.0] * 20, pa.float32()),
            "r": pa.array([0.5, None, float("nan"), 1.5, 0.25] * 20, pa.float32()),
        }
    )
    preparation = Preparation((WORDS, NUMBER, code, real))
    whole = prepare(table, preparation)
    part = prepare(table.slice(7, 50), preparation)
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][7:57], err_msg=name)


@given(st.lists(st.one_of(st.none(), st.floats(width=32)), min_size=1, max_size=50))
def test_every_number_that_there_is_becomes_a_finite_one_or_an_indicator(values):
    narrow = Prepared("n", "numeric", "float32", True, filler=0.0, offset=0.0, scale=1.0)
    features = _one(narrow, values, pa.float32())
    known = [value is not None and np.isfinite(value) for value in values]
    assert features["n_missing"][:, 0].tolist() == [0.0 if one else 1.0 for one in known]
    wanted = [value if one else 0.0 for value, one in zip(values, known, strict=True)]
    np.testing.assert_array_equal(features["n"][:, 0], np.array(wanted, np.float32))


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_any_length_are_prepared(rows):
    table = pa.table({"n": pa.array([1.0] * rows, pa.float32()), "w": pa.array(["a"] * rows)})
    features = prepare(table, Preparation((NUMBER, WORDS)))
    assert features["n"].shape == (rows, 1)
    assert features["w"].shape == (rows, 1)
