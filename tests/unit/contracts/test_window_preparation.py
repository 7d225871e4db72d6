"""Windows prepared in numpy: as the transform graph prepares them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.columns import RawInput
from contracts.preparation import Preparation, RowPreparation
from contracts.preparations.windows import fill_steps
from models.features import windows as graph

NAN = float("nan")
FEATURE = {
    "column": "past",
    "kind": "window",
    "raw": "float32",
    "columns": ["the load", "wind"],
    "steps": 3,
    "fill": "previous",
    "mean": [1.0, 10.0],
    "deviation": [2.0, 5.0],
}


def _prepare(**changes):
    return Preparation.model_validate({"features": [{**FEATURE, **changes}]})


def test_columns_lie_beside_each_other_filled_and_scaled():
    prepare = RowPreparation(_prepare())
    columns = {
        "the_load": np.array([[1, NAN, 5], [NAN, np.inf, NAN]], np.float32),
        "wind": np.array([[NAN, 20, 10], [0, 0, NAN]], np.float32),
    }
    past = prepare(columns)["past"]
    assert past.dtype == np.float32
    np.testing.assert_array_equal(past[0], [[0, 2], [0, 2], [2, 0]])
    np.testing.assert_array_equal(past[1], [[0, -2], [0, -2], [0, -2]])
    unscaled = RowPreparation(_prepare(deviation=None))(columns)["past"]
    np.testing.assert_array_equal(unscaled[0], [[1, 20], [1, 20], [5, 10]])


def test_each_raw_column_is_an_input_of_its_own():
    (feature,) = _prepare().features
    taken = RawInput("float32", (3,))
    assert feature.inputs == {"the_load": taken, "wind": taken}
    assert feature.raw_inputs == {"the load": taken, "wind": taken}
    with pytest.raises(ValidationError, match="for each column"):
        _prepare(mean=[1.0])


@settings(deadline=None, max_examples=40)
@given(
    st.integers(2, 12).flatmap(
        lambda steps: st.lists(
            st.one_of(st.just(NAN), st.integers(-100_000, 100_000).map(lambda value: value / 997)),
            min_size=steps,
            max_size=steps,
        )
    )
)
def test_numpy_fills_steps_as_the_graph_does_to_the_last_bit(row):
    window = np.array(row, np.float32)[None, :, None]
    for fill in ("previous", "linear", "mean"):
        ours = fill_steps(window, fill)
        np.testing.assert_array_equal(ours, graph.fill_steps(tf.constant(window), fill).numpy())
