"""The names that columns go by outside: exporter, server and client must agree on them."""

from __future__ import annotations

import hashlib
import keyword
import re


def serving_name(feature: str) -> str:
    """The input of `serving_default` for a feature: TensorFlow takes parameter names only.

    A name that loses most of its characters on the way ends in a digest of what it was, so
    that columns in other scripts stay apart.
    """
    plain = re.sub(r"[^A-Za-z0-9_]", "_", feature)
    lost = sum(not character.isascii() for character in feature)
    kept = sum(character.isascii() and character.isalnum() for character in feature)
    if kept <= lost:
        digest = hashlib.sha256(feature.encode("utf-8", "surrogatepass")).hexdigest()
        plain = f"{plain.strip('_') or 'column'}_{digest[:8]}"
    # TensorFlow hands inputs on as keyword arguments, beside a `self` of its own.
    usable = plain[:1].isalpha() and not keyword.iskeyword(plain) and plain != "self"
    return plain if usable else f"column_{plain}"
