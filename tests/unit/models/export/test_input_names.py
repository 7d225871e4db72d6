"""The input of serialized examples is never called as a column is: TFMA would feed the column."""

import pytest

from models.export.saved_model import examples_input


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ((), "examples"),
        (("x", "Examples"), "examples"),
        (("examples",), "examples_"),
        (("examples_", "examples"), "examples__"),
    ],
)
def test_the_input_of_serialized_examples_is_no_column(columns, expected):
    assert examples_input(columns) == expected
