"""A body's bytes to Python values, as TensorFlow Serving's own parser takes them.

That parser takes NaN and Infinity, and of two equal keys the first counts. orjson does
neither, but is ten times as fast: it reads what it can, and the rest is read strictly.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from serving.errors import ServingError

_BOM = b"\xef\xbb\xbf"
# An unfinished string ends with the body: no match can fail half-way, so this stays linear.
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*\\?(?:"|\Z)'
_STRING = re.compile(_TEXT, re.DOTALL)
# What may stand where a value stands and is no JSON; a string is skipped as a whole.
_SPECIAL = re.compile(b"(" + _TEXT + rb")|-?(?:NaN|Inf(?:inity)?)\b", re.DOTALL)
# What might be read as infinite though it is written as a number.
_HUGE = re.compile(rb"[eE]\+?0*\d{3}|\d{300}")
_BRACKETS = re.compile(rb"[\[\]{}]")
_LARGEST = 2**64


def parse(body: bytes, depth: int) -> dict[str, Any]:
    """Reads the object that a body holds.

    Args:
      body: The request's JSON.
      depth: Deepest nesting that is read where orjson cannot read the body; orjson itself
        stops at 1,024.

    Raises:
      ServingError: if the body is not one JSON object.
    """
    body = body.removeprefix(_BOM)
    if not body:
        raise ServingError(400, "JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in body and b"Inf" not in body:
            raise _unreadable(error.msg, error.pos) from None
        document = _parse_special(body, depth)
    if not isinstance(document, dict):
        raise ServingError(400, f"JSON Value: {shown(document)} Is not object")
    return document


def parse_strictly(body: bytes, depth: int) -> Any:
    """Reads a body with NaN and Infinity in it, or with equal keys, of which the first counts."""
    body = body.removeprefix(_BOM)
    try:
        text = _SPECIAL.sub(_python_token, body).decode("utf-8")
        _refuse_deep(body, depth)
        return json.loads(text, object_pairs_hook=_first_of, parse_int=_whole, parse_float=_decimal)
    except json.JSONDecodeError as error:
        raise _unreadable(error.msg, error.pos) from None
    except UnicodeDecodeError as error:
        raise _unreadable("invalid UTF-8", error.start) from None


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


def _first_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs)) if len(pairs) > 1 else dict(pairs)


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
