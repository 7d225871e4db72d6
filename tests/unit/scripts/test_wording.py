"""The words that `make check` keeps out of code and docs."""

from __future__ import annotations

import pytest

from scripts.wording import misses

# Put together, so that this file passes the check itself.
OLD = ("to" + "ld", "men" + "d", "mis" + "fit", "lap" + "se")


@pytest.mark.parametrize("word", OLD)
def test_words_and_parts_of_names_are_found(word: str) -> None:
    text = f"fine\nfit_{word}s({word.upper()})\n"
    assert misses(text) == [(2, word), (2, word)]


@pytest.mark.parametrize("text", ["recommended", "amend", "Toldo", "collapse", "elapsed"])
def test_other_words_pass(text: str) -> None:
    assert misses(text) == []
