"""ML Metadata's client, so that a database server answers it as SQLite does.

Two things differ, and TFX relies on both. PostgreSQL gives rows in any order, such as that of
their last change, where SQLite gives them by id: TFX took one output of a cached node for
another. And ML Metadata writes a text with a backslash, such as JSON within JSON, to PostgreSQL
as invalid SQL: libpq quotes it as E'...', and the quotes are taken off in the wrong places.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import ml_metadata as mlmd
from google.protobuf.message import Message

_LISTS = ("artifacts", "executions", "contexts")
_SIGN = "\ue000"
_ESCAPES = {_SIGN: f"{_SIGN}1", "\\": f"{_SIGN}2"}


class ServerStore(mlmd.MetadataStore):
    """The client: it writes no backslash, and gives rows as they were asked for, or by id."""

    def _call_method(self, method_name: str, request: Any, response: Any) -> None:
        if any(sign.encode() in request.SerializeToString() for sign in _ESCAPES):
            original, request = request, type(request)()
            request.CopyFrom(original)
            change_texts(request, escape)
        super()._call_method(method_name, request, response)
        if _SIGN.encode() in response.SerializeToString():
            change_texts(response, restore)
        put_in_order(request, response)


def put_in_order(request: Any, response: Any) -> None:
    """Puts the rows of an answer in the order of the ids that were asked for, or by id."""
    if "options" in request.DESCRIPTOR.fields_by_name and request.HasField("options"):
        return  # they come in the order that the options ask for
    for name in _LISTS:
        rows: Any = getattr(response, name, ())
        if len(rows) > 1:
            by_id = {row.id: row for row in sorted(rows, key=attrgetter("id"))}
            asked = (one for one in getattr(request, f"{name[:-1]}_ids", ()) if one in by_id)
            in_order = [by_id[one] for one in dict.fromkeys([*asked, *by_id])]
            del rows[:]
            rows.extend(in_order)


def escape(text: str) -> str:
    """The text without a backslash."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def restore(text: str) -> str:
    """The text that was escaped."""
    for character, escaped in reversed(_ESCAPES.items()):
        text = text.replace(escaped, character)
    return text


def change_texts(message: Message, change: Callable[[str], str]) -> None:
    """Changes every text in a message, except names of properties."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            setattr(message, field.name, change(value))
        elif isinstance(value, Message):
            change_texts(value, change)
        elif hasattr(value, "values"):
            _change_each([*value.values()], change)
        elif hasattr(value, "append"):
            _change_each(value, change)


def _change_each(values: Any, change: Callable[[str], str]) -> None:
    """The same for the items of a list."""
    for index, value in enumerate(values):
        if isinstance(value, Message):
            change_texts(value, change)
        elif isinstance(value, str):
            values[index] = change(value)
