"""A signature's outputs to the bodies of answers."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from serving.errors import ServingError

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_BYTES_SUFFIX = "_bytes"
_WRITABLE = frozenset(
    np.dtype(name)
    for name in (
        "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64",
        "bool", "object",
    )
)  # fmt: skip
_NAMES = {"float16": "half", "bfloat16": "bfloat16"}


@dataclass(slots=True, eq=False)
class Answers:
    """The outputs of one call that answers several requests by row.

    What is the same work for one row and for many is done once for all requests.

    Attributes:
      outputs: By name, the rows of all requests one after another.
    """

    outputs: Mapping[str, np.ndarray]
    _listed: Any = field(default=None, init=False)

    def part(self, start: int, end: int) -> dict[str, np.ndarray]:
        """The outputs of one request."""
        return {name: array[start:end] for name, array in self.outputs.items()}

    def encode(self, start: int, end: int) -> bytes:
        """Writes `{"predictions": [...]}` for one request, one element a row.

        Raises:
          ServingError: if the outputs have no rows, or not equally many.
        """
        if self._listed is None:
            _check_rows(self.outputs)
            self._listed = _rows(self.outputs, exact=False)
        text = orjson.dumps({"predictions": self._listed[start:end]}, option=_OPTIONS)
        # orjson writes null for what is not finite, and nothing else that is written is null.
        if b"null" in text:
            exact = _rows(self.part(start, end), exact=True)
            text = orjson.dumps({"predictions": exact}, option=_OPTIONS)
        return text


def encode_rows(outputs: Mapping[str, np.ndarray]) -> bytes:
    """Writes `{"predictions": [...]}` for outputs that answer one request.

    Raises:
      ServingError: if the outputs have no rows, or not equally many.
    """
    _check_rows(outputs)
    return Answers(outputs).encode(0, len(next(iter(outputs.values()))))


def encode_columns(outputs: Mapping[str, np.ndarray]) -> bytes:
    """Writes `{"outputs": ...}`, one element an output; a single one without its name."""
    if not outputs:
        raise ServingError(400, "Cannot convert empty tensor map to JSON")
    _check_types(outputs)
    text = orjson.dumps({"outputs": _columns(outputs, exact=False)}, option=_OPTIONS)
    if b"null" in text:
        text = orjson.dumps({"outputs": _columns(outputs, exact=True)}, option=_OPTIONS)
    return text


def encode_results(results: list[Any]) -> bytes:
    """Writes `{"results": [...]}` of numpy scalars, strings and lists of these."""
    exact = [_exact_item(each) for each in results]
    return orjson.dumps({"results": exact}, option=_OPTIONS)


def _rows(outputs: Mapping[str, np.ndarray], *, exact: bool) -> Any:
    if len(outputs) == 1:
        return _listed(*next(iter(outputs.items())), exact=exact)
    names = tuple(outputs)
    cells = [_cells(name, array, exact=exact) for name, array in outputs.items()]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def _columns(outputs: Mapping[str, np.ndarray], *, exact: bool) -> Any:
    columns = {name: _listed(name, array, exact=exact) for name, array in outputs.items()}
    return columns if len(columns) > 1 else next(iter(columns.values()))


def _cells(name: str, array: np.ndarray, *, exact: bool) -> list[Any]:
    """One element a row, each as orjson writes it right."""
    if array.dtype == object or exact:
        return list(_listed(name, array, exact=exact))
    return (
        array.tolist()
        if array.ndim == 1 and array.dtype != np.float32
        else list(np.ascontiguousarray(array))  # scalars of float32 keep their short form
    )


def _listed(name: str, array: np.ndarray, *, exact: bool) -> Any:
    if array.dtype == object:
        return _texts(array, as_bytes=name.endswith(_BYTES_SUFFIX))
    if exact and array.dtype.kind == "f":
        cells = np.empty(array.shape, object)
        cells.reshape(-1)[:] = list(array.ravel())
        for token, where in _tokens(array):
            cells[where] = token
        return cells.tolist()
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _texts(array: np.ndarray, *, as_bytes: bool) -> Any:
    write = _base64 if as_bytes else _text
    cells = np.empty(array.shape, object)
    cells.reshape(-1)[:] = [write(each) for each in array.ravel()]
    return cells.tolist()


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _base64(value: bytes | str) -> dict[str, str]:
    data = value.encode() if isinstance(value, str) else value
    return {"b64": base64.b64encode(data).decode()}


def _tokens(array: np.ndarray) -> list[tuple[orjson.Fragment, np.ndarray]]:
    return [
        (orjson.Fragment(b"NaN"), np.isnan(array)),
        (orjson.Fragment(b"Infinity"), np.isposinf(array)),
        (orjson.Fragment(b"-Infinity"), np.isneginf(array)),
    ]


def _exact_item(value: Any) -> Any:
    if isinstance(value, np.floating) and not np.isfinite(value):
        return _listed("", np.asarray(value), exact=True)
    return [_exact_item(each) for each in value] if isinstance(value, list) else value


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    if not outputs:
        raise ServingError(400, "Cannot convert empty tensor map to JSON")
    _check_types(outputs)
    rows: int | None = None
    for name, array in outputs.items():
        if not array.ndim:
            raise ServingError(400, f"Tensor name: {name} has no shape information ")
        if rows is not None and len(array) != rows:
            raise ServingError(
                400,
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}",
            )
        rows = len(array)


def _check_types(outputs: Mapping[str, np.ndarray]) -> None:
    for array in outputs.values():
        if array.dtype not in _WRITABLE:
            name = _NAMES.get(array.dtype.name, array.dtype.name)
            raise ServingError(400, f"Failed to write JSON value for tensor type: {name}")
