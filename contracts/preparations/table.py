"""The kinds of preparation, one row each: add yours to the union."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.preparations.images import ImageFeature
from contracts.preparations.numbers import BooleanFeature, CyclicFeature, NumericFeature
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
