"""Each stress does to its columns what it says, and nothing to others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.stress.config import stressed_features
from components.stress.perturb import UNSEEN_INT, UNSEEN_TEXT, Inputs, perturb
from contracts.columns import MISSING_INT
from evidence.config import EvaluationSpec, MissingSpec, NoiseSpec, UnitsSpec, UnseenSpec
from models.features.spec import FeaturesSpec
from models.stresses.texts import TEXT_STRESSES, LetterCase

ROWS = 20_000


@pytest.fixture(scope="module")
def inputs():
    generator = np.random.default_rng(0)
    x = generator.normal(50, 10, ROWS).astype(np.float32)
    x[::10] = np.nan
    columns = {
        "x": x,
        "count": generator.integers(0, 100, ROWS).astype(np.float32),
        "color": generator.choice(np.array(["red", "green"], object), ROWS),
        "code": generator.integers(0, 5, ROWS),
    }
    return Inputs(columns, frozenset({"count"}))


def _under(stress, inputs, *names, seed=1):
    before = {name: column.copy() for name, column in inputs.columns.items()}
    after = perturb(stress, inputs, names, np.random.default_rng(seed))
    assert list(after) == list(before)
    for name, column in before.items():
        np.testing.assert_array_equal(inputs.columns[name], column)  # nothing in place
        assert after[name].dtype == column.dtype
        if name not in names:
            np.testing.assert_array_equal(after[name], column)
    return after


def test_noise_is_as_wide_as_it_says(inputs):
    after = _under(NoiseSpec(scale=0.5), inputs, "x", "count")
    moved = after["x"] - inputs.columns["x"]
    np.testing.assert_array_equal(np.isnan(after["x"]), np.isnan(inputs.columns["x"]))
    assert np.nanstd(moved) == pytest.approx(5.0, rel=0.05)
    assert np.nanmean(moved) == pytest.approx(0.0, abs=0.2)
    np.testing.assert_array_equal(after["count"], np.rint(after["count"]))


def test_noise_on_a_column_of_nothing_leaves_nothing():
    empty = Inputs({"x": np.full(4, np.nan, np.float32)}, frozenset())
    after = perturb(NoiseSpec(scale=1), empty, ["x"], np.random.default_rng(0))
    assert np.isnan(after["x"]).all()


def test_a_share_of_each_column_goes_missing_by_itself(inputs):
    after = _under(MissingSpec(share=0.3), inputs, "x", "color", "code")
    gone = {
        "x": np.isnan(after["x"]) & ~np.isnan(inputs.columns["x"]),
        "color": after["color"] == "",
        "code": after["code"] == MISSING_INT,
    }
    assert gone["x"].sum() / (0.9 * ROWS) == pytest.approx(0.3, abs=0.02)
    assert gone["color"].mean() == pytest.approx(0.3, abs=0.02)
    assert gone["code"].mean() == pytest.approx(0.3, abs=0.02)
    assert (gone["color"] & gone["code"]).mean() == pytest.approx(0.09, abs=0.02)


def test_a_share_gets_categories_that_train_never_showed(inputs):
    after = _under(UnseenSpec(share=0.2), inputs, "color", "code")
    assert (after["color"] == UNSEEN_TEXT).mean() == pytest.approx(0.2, abs=0.02)
    assert (after["code"] == UNSEEN_INT).mean() == pytest.approx(0.2, abs=0.02)
    assert UNSEEN_INT != MISSING_INT


def test_the_same_rows_come_in_another_unit(inputs):
    after = _under(UnitsSpec(columns=("x",), factor=2, offset=3, share=0.4), inputs, "x", "count")
    swapped = after["count"] == 2 * inputs.columns["count"] + 3
    assert swapped.mean() == pytest.approx(0.4, abs=0.02)
    rows = swapped & ~np.isnan(inputs.columns["x"])
    np.testing.assert_allclose(after["x"][rows], 2 * inputs.columns["x"][rows] + 3, rtol=1e-6)
    np.testing.assert_array_equal(after["x"][~swapped], inputs.columns["x"][~swapped])


@given(factor=st.floats(0.1, 5), offset=st.floats(-50, 50), share=st.floats(0.01, 1))
def test_whole_numbers_stay_whole_in_any_unit(factor, offset, share):
    few = Inputs({"n": np.arange(50, dtype=np.float32)}, frozenset({"n"}))
    stress = UnitsSpec(columns=("n",), factor=factor, offset=offset, share=share)
    after = perturb(stress, few, ["n"], np.random.default_rng(0))["n"]
    np.testing.assert_array_equal(after, np.rint(after))
    untouched = after == few.columns["n"]
    near = np.abs(after - (few.columns["n"] * factor + offset)) <= 0.501
    assert (untouched | near).all()


def test_equal_seeds_give_equal_draws(inputs):
    one, two, other = (_under(MissingSpec(), inputs, "color", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one["color"], two["color"])
    assert (one["color"] != other["color"]).any()


def test_a_stress_that_a_kind_brings_changes_its_own_columns_alone() -> None:
    columns = {
        "review": np.array(["a good one", ""], object),
        "other": np.array(["a", "b"], object),
    }
    stress = LetterCase(to="upper")
    generator = np.random.default_rng(0)
    worse = perturb(stress, Inputs(columns, frozenset()), ["review"], generator)
    assert worse["review"].tolist() == ["A GOOD ONE", ""]
    assert worse["other"] is columns["other"]


TEXT = "A very good soup, and the best bread of all: I came back twice."


@pytest.mark.parametrize("kind", TEXT_STRESSES)
def test_texts_of_any_config_come_under_each_stress_of_texts(kind: str) -> None:
    problem = FeaturesSpec.model_validate(
        {
            "task": "binary",
            "label": {"name": "good"},
            "features": {"the review": {"type": "text"}, "price": {"type": "numeric"}},
        }
    )
    stress = EvaluationSpec.model_validate({"stress": {"any": {"kind": kind}}}).stress["any"]
    assert stressed_features("any", stress, problem) == ("the review",)
    texts = np.array([TEXT] * 20 + [""], object)
    inputs = Inputs({"the review": texts, "price": np.ones(21, np.float32)}, frozenset())
    worse = perturb(stress, inputs, ["the review"], np.random.default_rng(1))["the review"]
    assert worse[-1] == ""
    assert sum(text != TEXT for text in worse[:-1]) > 15
    assert all(isinstance(text, str) and text for text in worse[:-1])
    assert texts[0] == TEXT
