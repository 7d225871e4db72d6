"""Tokens that alone give away the label, and what is known of a split's tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contracts.arrays import Array
from models.content.given_away import FEWEST_OF_CLASS, lowest_precision, needed_precision
from models.content.texts.words import Words


@dataclass(frozen=True)
class TokenLeak:
    """A token that only texts of one class have.

    Attributes:
      token: The token.
      label: The class's id.
      texts: How many texts have it.
      precision: The share of these that are of the class.
      prior: The share of all texts that are.
      share: The share of the class's texts that have it.
    """

    token: str
    label: int
    texts: int
    precision: float
    prior: float
    share: float


def find_token_leak(words: Words, labels: Array) -> TokenLeak | None:
    """Finds the token that tells most texts of a class from all others.

    A token counts whose precision is beyond chance so high that it makes fewer than a tenth of
    the mistakes of a guess.

    Args:
      words: Of train's texts.
      labels: Class ids; -1 where unknown.

    Returns:
      None where no token does.
    """
    size = len(words.values)
    known = labels[words.rows] >= 0
    pairs = np.unique(words.rows[known] * size + words.codes[known])
    rows, tokens = pairs // size, pairs % size
    totals = np.bincount(labels[labels >= 0])
    counts = np.bincount(tokens, minlength=size)
    best: TokenLeak | None = None
    for label in np.flatnonzero(totals >= FEWEST_OF_CLASS):
        prior = totals[label] / totals.sum()
        hits = np.bincount(tokens[labels[rows] == label], minlength=size)
        lowest = lowest_precision(hits, np.maximum(counts, 1))
        share = np.where(lowest >= needed_precision(prior), hits / totals[label], 0.0)
        token = int(share.argmax()) if size else 0
        if size and share[token] > (best.share if best else 0.0):
            best = TokenLeak(
                words.values[token].as_py(),
                int(label),
                int(counts[token]),
                float(hits[token] / counts[token]),
                float(prior),
                float(share[token]),
            )
    return best


def unknown_share(known: Words, asked: Words) -> tuple[float, list[str]]:
    """The share of the tokens of some texts that others do not have, and the commonest."""
    if not len(asked.codes):
        return 0.0, []
    vocabulary = set(known.values.to_pylist())
    values = asked.values.to_pylist()
    is_new = np.array([value not in vocabulary for value in values], bool)
    counts = np.bincount(asked.codes, minlength=len(values)) * is_new
    commonest = np.argsort(-counts, kind="stable")[:5]
    share = float(counts.sum() / len(asked.codes))
    return share, [values[place] for place in commonest if counts[place]]
