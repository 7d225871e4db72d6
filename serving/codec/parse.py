"""A body's bytes to Python values, as TensorFlow Serving's own parser takes them.

That parser takes NaN and Infinity, stops where the first document ends, and of two equal keys
the first counts. orjson does none of this, but is ten times as fast: it reads what it can, and
the rest is read strictly.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import orjson

from serving.errors import ServingError

_BOM = b"\xef\xbb\xbf"
# An unfinished string ends with the body: no match can fail half-way, so this stays linear.
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*\\?(?:"|\Z)'
_STRING = re.compile(_TEXT, re.DOTALL)
_COLON = re.compile(rb"\s*:")
# What may stand where a value stands and is no JSON; a string is skipped as a whole.
_SPECIAL = re.compile(b"(" + _TEXT + rb")|-?(?:NaN|Inf(?:inity)?)\b", re.DOTALL)
# What might be read as infinite though it is written as a number.
_HUGE = re.compile(rb"[eE]\+?0*\d{3}|\d{300}")
_BRACKETS = re.compile(rb"[\[\]{}]")
_STRING_OR_BRACKET = re.compile(_TEXT + rb"|[\[\]{}]", re.DOTALL)
_BASE64_KEY = "b64"
_LARGEST = 2**64


def parse(
    body: bytes, depth: int, colons: Callable[[dict[str, Any]], int], *, last_counts: bool = False
) -> dict[str, Any]:
    """Reads the object that a body holds; what follows it is not looked at.

    Args:
      body: The request's JSON.
      depth: Deepest nesting that is read where orjson cannot read the body; orjson itself
        stops at 1,024.
      colons: How many colons a body with this content has at most if no key repeats and no
        string has a colon.
      last_counts: Of equal keys below the top level, the last one counts; at the top level,
        and elsewhere by default, the first one does.

    Raises:
      ServingError: if the body is not one JSON object.
    """
    body = body.removeprefix(_BOM)
    if not body:
        raise ServingError(400, "JSON Parse error: The document is empty")
    try:
        document = _parse_any(body, depth)
    except ServingError:
        first = _first_document(body)
        if len(first) == len(body):
            raise
        return parse(first, depth, colons, last_counts=last_counts)
    if not isinstance(document, dict):
        raise ServingError(400, f"JSON Value: {shown(document)} Is not object")
    if has_equal_keys(body, document, colons(document)):
        strict: dict[str, Any] = parse_strictly(body, depth, last_counts=last_counts)
        return strict
    return document


def parse_strictly(body: bytes, depth: int, *, last_counts: bool = False) -> Any:
    """Reads a document with NaN and Infinity in it, or with equal keys.

    Args:
      body: The document.
      depth: Deepest nesting.
      last_counts: As `parse` has it.

    Raises:
      ServingError: if it cannot be read.
    """
    top: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal top
        top = pairs  # the object of the top level is the last one to end
        if len(pairs) > 1 and all(key == _BASE64_KEY for key, _ in pairs):
            raise ServingError(400, "JSON Value: {...} not formatted correctly for base64 data")
        return dict(pairs if last_counts else reversed(pairs))

    try:
        text = _SPECIAL.sub(_python_token, body).decode("utf-8")
        _refuse_deep(body, depth)
        document = json.loads(text, object_pairs_hook=keep, parse_int=_whole, parse_float=_decimal)
    except json.JSONDecodeError as error:
        raise _unreadable(error.msg, error.pos) from None
    except UnicodeDecodeError as error:
        raise _unreadable("invalid UTF-8", error.start) from None
    return dict(reversed(top)) if isinstance(document, dict) else document


def has_equal_keys(body: bytes, document: Any, colons: int) -> bool:
    """Tells whether orjson dropped a key that stood twice in one object.

    Args:
      body: The body that was read.
      document: What orjson read from it.
      colons: How many colons there are in the body at most if all keys differ and no string
        has a colon; most bodies are settled by this alone.
    """
    if body.count(b":") <= colons:
        return False
    return _STRING.sub(b"", body).count(b":") > _count_keys(document)


def shown(value: Any) -> str:
    """A value as an error message shows it: JSON, cut short."""
    if isinstance(value, float) and not math.isfinite(value):
        text = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    elif isinstance(value, str):
        text = json.dumps(value[:100])
    elif type(value) is int:
        text = str(value)
    else:
        try:
            text = orjson.dumps(value).decode()
        except orjson.JSONEncodeError:
            text = "[...]" if isinstance(value, list) else "{...}"
    return text if len(text) <= 100 else text[:97] + "..."


def _parse_any(body: bytes, depth: int) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _refuse_other_encodings(body)
        if b"NaN" not in body and b"Inf" not in body:
            raise _unreadable(error.msg, error.pos) from None
    return _parse_special(body, depth)


def _refuse_other_encodings(body: bytes) -> None:
    """Refuses a body that is not UTF-8, and says under which key."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        key = _last_key(body, error.start)
        under = "" if key is None else f" in the value of {shown(key.decode(errors='replace'))}"
        raise _unreadable(f"invalid UTF-8{under}", error.start) from None


def _last_key(body: bytes, end: int) -> bytes | None:
    """The last key of an object before some place, without its quotes."""
    key = None
    for match in _STRING.finditer(body, 0, end):
        if _COLON.match(body, match.end(), end):
            key = match.group()[1:-1]
    return key


def _first_document(body: bytes) -> bytes:
    """The body up to where its first object or list ends; all of it where that is nowhere."""
    level = 0
    for match in _STRING_OR_BRACKET.finditer(body):
        token = match.group()
        if token in b"[{":
            level += 1
        elif token in b"]}":
            level -= 1
            if level <= 0:
                return body[: match.end()]
    return body


def _parse_special(body: bytes, depth: int) -> Any:
    if not _HUGE.search(body):
        try:
            return json.loads(body.decode())
        except (ValueError, RecursionError):
            pass  # it has to be read strictly, if only to tell what is wrong
    return parse_strictly(body, depth)


def _count_keys(document: Any) -> int:
    keys = 0
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            keys += len(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(each for each in value if isinstance(each, dict | list))
    return keys


def _refuse_deep(body: bytes, depth: int) -> None:
    level = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", body)):
        level += 1 if bracket in b"[{" else -1
        if level > depth:
            raise ServingError(400, f"JSON Parse error: Nested deeper than {depth} levels")


def _python_token(match: re.Match[bytes]) -> bytes:
    if match.group(1):
        return match.group(1)
    token = match.group()
    if token.endswith(b"NaN"):
        return b"NaN"
    return b"-Infinity" if token.startswith(b"-") else b"Infinity"


def _whole(text: str) -> int | float:
    # A number beyond 64 bits counts as a decimal one, and has more digits than int() takes.
    if len(text) <= 20:
        number = int(text)
        if -_LARGEST // 2 <= number < _LARGEST:
            return number
    return _decimal(text)


def _decimal(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ServingError(400, "JSON Parse error: Number too big to be stored in double.")
    return number


def _unreadable(reason: str, place: int) -> ServingError:
    return ServingError(400, f"JSON Parse error: {reason} at offset: {place}")
