"""What categorical features share: a vocabulary that is learned on train, and ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from models.data.text import decoded
from models.features.kind import ColumnProfile, FeatureKind

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors

MANY_CATEGORIES = 50
_CODE_NAME = re.compile(r"(^|[_\s-])(id|code|zip|zipcode|type|category|group|flag)$", re.IGNORECASE)
_NUMBER_NAME = re.compile(r"(^|[_\s-])(no|nr|number)$", re.IGNORECASE)
_GAPPED = 0.5


class WordsKind(FeatureKind):
    """A category, by the id of its word; missing is a word of its own.

    Attributes:
      min_count: How often train must show a word; rarer ones share the last id.
    """

    min_count: int

    prepared_as: ClassVar[Literal["categorical", "vocabulary"]]
    raw_values = "categories"
    stresses = {"missing": True, "unseen": True}
    slice_key = True

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """Learns all vocabularies in one pass, those of the kinds that inherit this too."""
        from models.features import tensors
        from models.features.vocabulary_analyzer import learn_and_look_up

        groups = tensors.groups(list(specs))
        words = [raw.texts(group) for group in groups]
        ids = learn_and_look_up(words, [spec.min_count for spec in specs.values()])
        outputs: Tensors = {}
        for group, matrix in zip(groups, ids, strict=True):
            outputs |= tensors.split_columns(matrix, group)
        return outputs

    def preparation(self, name: str, learned: Learned) -> dict[str, Any]:
        """The words by id."""
        return {"kind": self.prepared_as, "vocabulary": tuple(map(decoded, learned.words(name)))}


def frequent_words(counts: Counter[bytes], min_count: int) -> list[bytes]:
    """The words that are frequent enough, the most frequent first; ties by the largest bytes."""
    frequent = [(count, word) for word, count in counts.items() if count >= min_count]
    return [word for _, word in sorted(frequent, reverse=True)]


def looks_like_code(column: ColumnProfile) -> bool:
    """Whether whole numbers stand for something, by their name or by their gaps."""
    if column.kind != "integers":
        return False
    if _CODE_NAME.search(column.name):
        return True
    # Many numbers with gaps between them are no counts.
    gapped = column.distinct > MANY_CATEGORIES and column.distinct < _GAPPED * (
        column.high - column.low
    )
    return bool(_NUMBER_NAME.search(column.name)) and gapped
