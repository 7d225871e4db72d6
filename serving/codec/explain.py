"""Finds the value that does not fit, once it is known that one does not.

Walks the request in the order in which TensorFlow Serving fills its tensors and words what
it finds as TensorFlow Serving does, with the row and the input wherever there are any.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serving.codec.parse import shown
from serving.codec.signature import STRING, Port, Signature, fits
from serving.codec.values import SUPPORTED, first_wrong, is_base64
from serving.errors import ServingError

_NAMES = {"float32": "float", "float64": "double", "float16": "half"}
_KINDS: Mapping[type, str] = {
    type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number",
    float: "Number",
}  # fmt: skip


def rows_problem(rows: Sequence[Any], wrong_place: int, signature: Signature) -> ServingError:
    """Says what is wrong with an `instances` list.

    Args:
      rows: The list.
      wrong_place: The first row that does not fit the signature, or does not go with the first row.
      signature: What it is read for.
    """
    objects = type(rows[0]) is dict and not (is_base64(rows[0]) and len(signature.inputs) == 1)
    look = _object_row_problem if objects else _bare_row_problem
    firsts: dict[str, tuple[int, ...]] = {}
    for place in sorted({0, wrong_place}):
        problem = look(place, rows[place], signature, firsts)
        if problem:
            return problem
    return ServingError(400, "The request does not fit the signature's inputs")


def column_problem(values: Any, port: Port) -> ServingError:
    """Says what is wrong with the value of one input in an `inputs` object."""
    shape = dense_shape(values)
    found = _first_problem(values, port.dtype, shape)
    if found is None:
        wanted = port.shape or ()
        what = f"Expecting shape {_shape(wanted)} but got: {_shape(shape)}"
        return ServingError(400, f"Failed to process input: {port.name}. Error: {what}")
    status, what, path = found
    row = f" row: {path[0]}" if path else ""
    return ServingError(
        status, f"Failed to process input: {port.name}{row} of 'inputs'. Error: {what}"
    )


def dense_shape(value: Any) -> tuple[int, ...]:
    """The shape of nested lists as their first elements tell it."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _object_row_problem(
    place: int, row: Any, signature: Signature, firsts: dict[str, tuple[int, ...]]
) -> ServingError | None:
    if type(row) is not dict or (is_base64(row) and set(row) != set(signature.inputs)):
        return ServingError(400, f"Expecting object but got list at item {place} of input list")
    for name, value in row.items():
        if name not in signature.inputs:
            what: str | None = f"JSON object: does not have named input: {name}"
        else:
            what = _cell_problem(value, signature.inputs[name], firsts)
        if what:
            return ServingError(
                400,
                f"Failed to process element: {place} key: {shown(name)[1:-1]} of 'instances' "
                f"list. Error: {what}",
            )
    missing = sorted(set(signature.inputs) - set(row))
    if missing:
        return ServingError(
            400,
            f"Failed to process element: {place} of 'instances' list. JSON object: {shown(row)} "
            f"must only have keys: {','.join(sorted(signature.inputs))}. "
            f"Missing named input: {','.join(missing)}",
        )
    return None


def _bare_row_problem(
    place: int, row: Any, signature: Signature, firsts: dict[str, tuple[int, ...]]
) -> ServingError | None:
    if type(row) is dict and not is_base64(row):
        return ServingError(
            400, f"Expecting value/list but got object at item {place} of input list"
        )
    port = next(iter(signature.inputs.values()))
    what = _cell_problem(row, port, firsts)
    if what is None:
        return None
    return ServingError(
        400,
        f"Failed to process element: {place} of 'instances' list (input {port.name}). "
        f"Error: {what}",
    )


def _cell_problem(value: Any, port: Port, firsts: dict[str, tuple[int, ...]]) -> str | None:
    """What is wrong with one value of a row: whatever it is, the answer is 400."""
    shape = dense_shape(value)
    found = _first_problem(value, port.dtype, shape)
    if found:
        return found[1]
    first = firsts.setdefault(port.name, shape)
    if math.prod(first) != math.prod(shape):
        return f"Expecting tensor size: {math.prod(first)} but got: {math.prod(shape)}"
    if first != shape:
        return f"Expecting shape {_shape(first)} but got: {_shape(shape)}"
    if port.shape is None:
        return None
    if not port.shape:
        return f"Input {port.name} has no dimension for rows: send it in 'inputs'"
    wanted = port.shape[1:]
    if not fits(wanted, shape):
        return f"Expecting shape {_shape(wanted)} but got: {_shape(shape)}"
    return None


def _first_problem(
    value: Any, dtype: str, shape: tuple[int, ...]
) -> tuple[int, str, tuple[int, ...]] | None:
    """The status, the words and the place of the first value that cannot be in the tensor."""
    rank = len(shape)
    for path, each in _walk(value, dtype, shape):
        level = len(path)
        if type(each) is list:
            if level >= rank:
                what = f"Encountered list at unexpected level: {level} expected < {rank}"
                return 400, what, path
            if len(each) != shape[level]:
                what = (
                    f"Encountered list at unexpected size: {len(each)} at level: {level} "
                    f"expected size: {shape[level]}"
                )
                return 400, what, path
        elif level != rank:
            what = (
                f"JSON Value: {shown(each)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {rank}"
            )
            return 400, what, path
        else:
            found = _leaf_problem(each, dtype)
            if found:
                return *found, path
    if dtype not in SUPPORTED:  # and there is no leaf that it could be said of
        return 501, _no_conversion(value, dtype), ()
    return None


def _walk(value: Any, dtype: str, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """All lists in order, and of their leaves those that do not fit."""
    waiting: list[tuple[tuple[int, ...], Any]] = [((), value)]
    while waiting:
        path, each = waiting.pop()
        yield path, each
        if type(each) is not list or len(path) >= len(shape):
            continue
        if len(path) < len(shape) - 1:
            places = range(len(each) - 1, -1, -1)
            waiting.extend(((*path, place), each[place]) for place in places)
        else:
            wrong_place = first_wrong(each, dtype)
            if wrong_place is not None:
                waiting.append(((*path, wrong_place), each[wrong_place]))


def _leaf_problem(value: Any, dtype: str) -> tuple[int, str] | None:
    if dtype not in SUPPORTED:
        return 501, _no_conversion(value, dtype)
    if first_wrong([value], dtype) is None:
        return None
    if dtype == STRING and is_base64(value):
        return 400, "Unable to base64 decode"
    if dtype == STRING and type(value) is dict:
        return 400, f"JSON Value: {shown(value)} not formatted correctly for base64 data"
    if dtype == STRING and type(value) is str:
        return 400, f"JSON Value: {shown(value)} The surrogate pair in string is invalid."
    kind = str(value) if type(value) is bool else _KINDS[type(value)]
    name = _NAMES.get(dtype, dtype)
    return 400, (f"JSON Value: {shown(value)} Type: {kind} is not of expected type: {name}")


def _no_conversion(value: Any, dtype: str) -> str:
    return f"Conversion of JSON Value: {shown(value)} to type: {_NAMES.get(dtype, dtype)}"


def _shape(shape: Sequence[int | None]) -> str:
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"
