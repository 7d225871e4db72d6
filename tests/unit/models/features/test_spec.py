import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.names import serving_name
from models.features.spec import FeaturesSpec

NUMERIC = {"type": "numeric"}


def _problem(features):
    return FeaturesSpec.model_validate(
        {"task": "binary", "label": {"name": "y"}, "features": features}
    )


@pytest.mark.parametrize(
    ("feature", "served"),
    [
        ("temp", "temp"),
        ("the town", "the_town"),
        ("2nd.try", "column_2nd_try"),
        ("größe", "gr__e"),
        ("île", "column__le"),
        ("class", "column_class"),
        ("self", "column_self"),
    ],
)
def test_served_names_are_plain(feature, served):
    assert serving_name(feature) == served


@given(st.text())
def test_any_column_is_served_by_a_parameter_name(feature):
    served = serving_name(feature)
    assert served.isascii()
    assert served.isidentifier()
    assert served[0].isalpha()
    assert not keyword.iskeyword(served)


@given(st.lists(st.text("价格都市温度ひらがな🛫éü", min_size=1), unique=True, max_size=20))
def test_columns_in_other_scripts_are_served_apart(features):
    assert len({serving_name(name) for name in features}) == len(features)


def test_two_features_with_one_served_name_are_refused():
    with pytest.raises(
        ValidationError, match="'a b' and 'a-b' would both be served as 'a_b': rename one"
    ):
        _problem({"a b": NUMERIC, "a-b": NUMERIC})


def test_an_indicator_must_not_hide_a_column():
    with pytest.raises(ValidationError, match="x_missing"):
        _problem({"x": {**NUMERIC, "missing_indicator": True}, "x_missing": NUMERIC})
