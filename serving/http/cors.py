"""Cross-origin requests: what a browser asks before it lets a page of another origin ask."""

from __future__ import annotations

import re
from collections.abc import Iterable

from serving.config import ServingSpec
from serving.errors import ServingError

_ORIGIN = re.compile(rb"https?://")
_API = b"/v1/"
_ALLOW_ORIGIN = b"access-control-allow-origin"


def cors_headers(spec: ServingSpec) -> list[tuple[bytes, bytes]]:
    """The headers of every answer of the REST API: those of TensorFlow Serving.

    Where requests bring an API key, browsers may send the headers that hold it.

    Args:
      spec: The config; without `cors` there are none.
    """
    if not spec.cors:
        return []
    sent = (
        b"Content-Type" if spec.api_key_env is None else b"Content-Type, Authorization, X-API-Key"
    )
    return [
        (_ALLOW_ORIGIN, b"*"),
        (b"access-control-allow-methods", b"POST, GET"),
        (b"access-control-allow-headers", sent),
    ]


def is_preflight(verb: str, path: bytes) -> bool:
    """Whether a request asks what may be asked; it never brings a key."""
    return verb == "OPTIONS" and path[: len(_API)].lower() == _API


def check_preflight(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Checks that a preflight request comes from a page.

    Raises:
      ServingError: it names no origin.
    """
    if not any(name == b"origin" and _ORIGIN.search(value) for name, value in headers):
        raise ServingError(412, "Origin header is missing in CORS preflight")


def add_cors(
    answered: list[tuple[bytes, bytes]], path: bytes, cors: list[tuple[bytes, bytes]]
) -> None:
    """Adds the headers to an answer of the REST API that has none yet.

    Args:
      answered: The headers of the answer.
      path: The path that was asked for.
      cors: As `cors_headers` gave them.
    """
    if not cors or path[: len(_API)].lower() != _API:
        return
    if not any(name == _ALLOW_ORIGIN for name, _ in answered):
        answered.extend(cors)
