"""From a request's path to what is asked for; nothing of a path ever names a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from serving.errors import ServingError

Method = Literal["predict", "classify", "regress", "metadata", "status"]

_TARGET = r"(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?"
_POST = re.compile(
    rf"/v1/models/([^/:]+){_TARGET}:(classify|regress|predict)", re.IGNORECASE | re.DOTALL
)
_GET = re.compile(rf"/v1/models(?:/([^/:]+))?{_TARGET}(?:/(metadata))?", re.IGNORECASE | re.DOTALL)
_LARGEST_VERSION = 2**63 - 1
_CACHED = 1024


@dataclass(frozen=True)
class Route:
    """What a request asks for.

    Attributes:
      method: What to do.
      name: The model.
      version: Its version, where the path has one.
      label: Its version's label, where the path has one.
    """

    method: Method
    name: str
    version: int | None = None
    label: str | None = None


class Router:
    """Reads paths as TensorFlow Serving's two regular expressions do, each path once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Route] = {}

    def route(self, verb: str, path: bytes) -> Route:
        """What is asked for.

        Args:
          verb: The HTTP method.
          path: The path as it was sent, still in percent encoding, without the query.

        Raises:
          ServingError: nothing that is served has such a path.
        """
        known = self._known.get((verb, path))
        if known is not None:
            return known
        route = _parse(verb, path)
        if len(self._known) >= _CACHED:
            self._known.clear()
        self._known[verb, path] = route
        return route


def _parse(verb: str, path: bytes) -> Route:
    text = path.decode("latin-1")
    if text[:4].lower() != "/v1/":
        raise ServingError(404, f"Not found: {text[:200]}")
    match = (_POST if verb == "POST" else _GET).fullmatch(text) if verb in ("POST", "GET") else None
    if match is None:
        raise ServingError(400, f"Malformed request: {verb} {text[:200]}")
    name, version, label, last = match.groups()
    # The whole path is matched in any case, but what is asked for only counts in small letters.
    if verb == "POST" and last != last.lower():
        raise ServingError(400, f"Malformed request: {verb} {text[:200]}")
    method: Any = last if verb == "POST" or last == "metadata" else "status"
    if not name:
        raise ServingError(400, "Missing model name in request.")
    return Route(
        method, _decoded(name, "name"), _number(version), _decoded(label, "version label") or None
    )


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    # int() itself refuses thousands of digits.
    if len(version.lstrip("0")) > 19 or int(version) > _LARGEST_VERSION:
        raise ServingError(400, f"Failed to convert version: {version[:200]} to numeric.")
    return int(version)


def _decoded(text: str | None, what: str) -> str:
    if text is None:
        return ""
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeDecodeError as error:
        raise ServingError(400, f"Failed to decode model {what}:{text[:200]}") from error
