"""The API key that requests bring where the config asks for one."""

from __future__ import annotations

import hmac
from collections.abc import Iterable


def brings_key(headers: Iterable[tuple[bytes, bytes]], key: str | None) -> bool:
    """Whether a request has the key, as `X-API-Key` or `Authorization: Bearer`.

    Args:
      headers: The request's, by lower-case name.
      key: The key; compared in a time that tells nothing about it. None asks for none.
    """
    if key is None:
        return True
    brought = []
    for name, value in headers:
        if name == b"x-api-key":
            brought.append(value)
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            brought.append(value[7:])
    return any(hmac.compare_digest(value.strip(), key.encode()) for value in brought)
