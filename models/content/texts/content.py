"""Texts as a kind's content: their audit, embedding and excerpts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrays import Array
from contracts.results.preview import Preview, WeighedPart
from models.content.kind import Content, Occlusion
from models.content.texts.audit import audit_texts
from models.content.texts.words import (
    IDEOGRAPH,
    MOST_CHARACTERS,
    VISIBLE_WORD,
    read_texts,
    split_words,
)

EXCERPT = 280
_TERMS = 20_000
_COVERED_WORDS = 64
_PART = re.compile(rf"(?:{VISIBLE_WORD.pattern})\s*")
# The words of scikit-learn, and each ideograph or kana, which stand without blanks.
_TERM = rf"{IDEOGRAPH}|[^\W{IDEOGRAPH[1:-1]}]+"
_COMMONEST = 20


class TextContent(Content):
    """Texts; the audit keeps them as they are."""

    audit_key = "texts"
    keeps_values = True

    audit = staticmethod(audit_texts)

    def scan(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Keeps the texts."""
        return values

    def join(self, facts: Sequence[Any]) -> pa.ChunkedArray:
        """Joins texts."""
        chunks = [chunk for part in facts for chunk in part.chunks]
        return pa.chunked_array(chunks, pa.string())

    def digests(self, facts: Any) -> pa.ChunkedArray:
        """The texts themselves."""
        return facts

    def take(self, facts: Any, places: Array) -> pa.ChunkedArray:
        """Picks texts."""
        return facts.take(pa.array(places))

    def embed(self, facts: Any) -> Any:
        """TF-IDF of words and pairs of words, sparse."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = pc.utf8_slice_codeunits(pc.fill_null(facts, ""), 0, MOST_CHARACTERS).to_pylist()
        terms = TfidfVectorizer(
            ngram_range=(1, 2),
            min_df=2,
            max_features=_TERMS,
            sublinear_tf=True,
            token_pattern=_TERM,
            dtype=np.float32,
        )
        try:
            return terms.fit_transform(texts)
        except ValueError:
            # No term is in two texts.
            return np.zeros((len(texts), 1), np.float32)

    def preview(self, facts: Any, place: int) -> Preview:
        """The first words."""
        return self.preview_value(facts[place].as_py())

    def preview_value(self, value: Any) -> Preview:
        """The first words."""
        if not value:
            return Preview(note="missing")
        text = str(value)
        return Preview(text=text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…")

    def statistics(self, facts: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Lengths in words, and the commonest words."""
        words = split_words(read_texts(facts, settings))
        if not len(words.codes):
            return {"texts": len(facts), "tokens": 0}
        counts = np.bincount(words.codes)
        first = np.argsort(-counts, kind="stable")[:_COMMONEST]
        lengths = np.quantile(words.counts, (0, 0.5, 0.95, 1))
        return {
            "texts": len(facts),
            "tokens": len(words.codes),
            "distinct": len(words.values),
            "length": [int(value) for value in lengths],
            "once": float((counts == 1).mean()),
            "commonest": [[words.values[int(at)].as_py(), int(counts[at])] for at in first],
        }

    def occlude(self, value: Any) -> Occlusion | None:
        """Leaves out one word after the other; of a long text, only the first ones."""
        if not value:
            return None
        text = str(value)
        parts = _PART.findall(text[:MOST_CHARACTERS])[:_COVERED_WORDS]
        if not parts:
            return None
        rest = text[text.index(parts[0]) + sum(map(len, parts)) :]
        covered = ["".join(parts[:at] + parts[at + 1 :]) + rest for at in range(len(parts))]

        def show(weights: Sequence[float]) -> Preview:
            weighed = [
                WeighedPart(text=part, weight=float(weight))
                for part, weight in zip(parts, weights, strict=True)
            ]
            shortened = "the words after these are not explained" if rest else None
            return Preview(parts=weighed, note=shortened)

        return Occlusion(covered, show)
