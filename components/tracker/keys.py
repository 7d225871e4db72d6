"""Names of parameters, metrics and tags as MLflow takes them."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from typing import TypeVar

_MAX_CHARACTERS = 250
_TAKEN = re.compile(r"[\w.\- :/]+")
_REFUSED = re.compile(r"[^\w.\- :]|^\.+")

Value = TypeVar("Value")


def with_valid_keys(content: Mapping[str, Value]) -> dict[str, Value]:
    """Gives the same values by keys that MLflow takes."""
    return {valid_key(key): value for key, value in content.items()}


def valid_key(key: str) -> str:
    """Gives a key that MLflow takes: letters, digits, `_.- :` and the path of a file.

    A key that has to be changed ends in a digest of what it was, so that two stay apart.
    """
    # `normpath` as MLflow uses it: a key may become the name of a file.
    if (
        _TAKEN.fullmatch(key)
        and len(key) <= _MAX_CHARACTERS
        and posixpath.normpath(key) == key
        and key != "."
        and not key.startswith(("/", ".."))
    ):
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_REFUSED.sub('_', key)[: _MAX_CHARACTERS - 9]}_{digest}"
