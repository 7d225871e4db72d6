import pytest
from pydantic import ValidationError

from models.features import FeaturesSpec, serving_name

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
        ("class", "column_class"),
    ],
)
def test_served_names_are_plain(feature, served):
    assert serving_name(feature) == served


def test_two_features_with_one_served_name_are_refused():
    with pytest.raises(ValidationError, match="'a b' and 'a-b' would both be served as 'a_b'"):
        _problem({"a b": NUMERIC, "a-b": NUMERIC})


def test_an_indicator_must_not_hide_a_column():
    with pytest.raises(ValidationError, match="x_missing"):
        _problem({"x": {**NUMERIC, "missing_indicator": True}, "x_missing": NUMERIC})
