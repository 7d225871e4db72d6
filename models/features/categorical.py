"""Categories of low cardinality: one-hot encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from models.features.kind import ColumnProfile, Recognition
from models.features.ports import InputSpec
from models.features.words import MANY_CATEGORIES, WordsKind, looks_like_code

if TYPE_CHECKING:
    from models.features.learned import Learned

_ROWS_A_VALUE = 5


class CategoricalSpec(WordsKind):
    """A category of low cardinality, one-hot encoded; missing is a category."""

    type: str = "categorical"
    min_count: int = Field(1, ge=1)

    prepared_as = "categorical"
    audit_checks = frozenset({"cardinality"})
    few_values = True

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """An id of a word, or of the bucket of what train never showed."""
        return InputSpec(name, "one_hot", len(learned.words(name)) + 1)

    @classmethod
    def recognize(cls, column: ColumnProfile) -> Recognition | None:
        """Text of few values, and codes of few numbers."""
        keys: dict[str, str | int | bool] = {"type": "categorical"}
        if column.kind == "text":
            few = min(MANY_CATEGORIES, max(2, column.present // _ROWS_A_VALUE))
            is_category, note = column.distinct <= few, f"{column.distinct} values"
        else:
            is_category = column.distinct <= MANY_CATEGORIES and looks_like_code(column)
            note = f"a code of {column.distinct} values"
        return Recognition(keys, note) if is_category else None
