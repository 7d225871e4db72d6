"""Categories of high cardinality: embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from models.features.kind import ColumnProfile, Recognition
from models.features.ports import InputSpec
from models.features.words import WordsKind, looks_like_code

if TYPE_CHECKING:
    from models.features.learned import Learned

_MANY_ROWS = 2_000


class VocabularySpec(WordsKind):
    """A category of high cardinality, embedded; rare values share one bucket."""

    type: str = "vocabulary"
    min_count: int = Field(5, ge=1)
    embedding: int | None = Field(None, ge=1, le=1024)

    prepared_as = "vocabulary"
    audit_checks = frozenset()
    new_values = True

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """An id of a word, or of the bucket of rare ones."""
        return InputSpec(name, "embedding", len(learned.words(name)) + 1, self.embedding)

    @classmethod
    def recognize(cls, column: ColumnProfile) -> Recognition | None:
        """Text, and codes, of more values than a category has."""
        if column.kind != "text" and not looks_like_code(column):
            return None
        keys = {"type": "vocabulary", "min_count": 5 if column.rows >= _MANY_ROWS else 2}
        values = f"{column.distinct:,} values"
        return Recognition(keys, values if column.kind == "text" else f"a code of {values}")
