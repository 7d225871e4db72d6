"""Small helpers for texts that people read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from urllib.parse import urlsplit

_SHOWN = 8


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to `word`, or None where none comes near."""
    by_lower: dict[str, str] = {}
    for candidate in known:
        by_lower.setdefault(candidate.lower(), candidate)
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def some(words: Iterable[str], shown: int = _SHOWN) -> str:
    """The first words, and how many more there are."""
    listed = list(words)
    head = ", ".join(listed[:shown])
    rest = len(listed) - shown
    return f"{head} and {rest} more" if rest > 0 else head


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A fix that names the nearest known word; empty where none comes near."""
    close = nearest(word, known)
    return f"did you mean {close!r}?" if close else ""


def count(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def shorten(value: object, width: int = 80) -> str:
    """The value as Python writes it, cut to `width` characters."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 3] + "..."


def without_password(text: str, url: str) -> str:
    """Gives a text in which an address may stand, without the password of that address."""
    password = urlsplit(url).password
    return text.replace(f":{password}@", ":***@") if password else text
