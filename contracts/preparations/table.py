"""The kinds of preparation, one row each: add yours to the union."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from contracts.preparations.images import ImageFeature
from contracts.preparations.numbers import BooleanFeature, CyclicFeature, NumericFeature
from contracts.preparations.raw_feature import RawFeature
from contracts.preparations.text import TextFeature
from contracts.preparations.windows import WindowFeature
from contracts.preparations.words import WordsFeature

PreparedFeature = Annotated[
    NumericFeature
    | CyclicFeature
    | BooleanFeature
    | WordsFeature
    | ImageFeature
    | TextFeature
    | WindowFeature,
    Field(discriminator="kind"),
]
"""How a raw column becomes a feature, by the kind of preparation."""


def raw_feature(**fields: Any) -> RawFeature:
    """Validates the fields of a feature by the class of their `kind`."""
    feature: RawFeature = TypeAdapter(PreparedFeature).validate_python(fields)
    return feature
