"""Columns of numpy as a client sends them, and as it gets them back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from contracts.arrays import Array
from contracts.errors import DataError
from contracts.text import did_you_mean
from serving.codec.signature import STRING, Port, Signature, fits

_BYTES = "_bytes"


def check_columns(columns: Mapping[str, Any], signature: Signature, where: str) -> dict[str, Array]:
    """Casts columns to what the inputs take.

    Raises:
      DataError: a column is unknown, missing, of another type, shape or length.
    """
    for name in columns:
        if name not in signature.inputs:
            raise DataError(
                f"The model has no input {name!r}.",
                where=where,
                expected=f"one of: {', '.join(signature.inputs)}",
                received=name,
                fix=did_you_mean(name, signature.inputs) or "leave it out",
            )
    missing = [name for name in signature.inputs if name not in columns]
    if missing:
        raise DataError(
            f"The input {missing[0]!r} is missing.",
            where=where,
            expected=f"all of: {', '.join(signature.inputs)}",
            received=", ".join(columns) or "no columns",
            fix="give a column for each input",
        )
    checked = {
        name: _checked(columns[name], port, where) for name, port in signature.inputs.items()
    }
    lengths = {name: len(column) for name, column in checked.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise DataError(
            "The columns are not equally long." if any(lengths.values()) else "There are no rows.",
            where=where,
            expected="columns with a value for each of one row or more",
            received=", ".join(f"{name}: {length}" for name, length in lengths.items()),
        )
    return checked


def _checked(values: Any, port: Port, where: str) -> Array:
    # numpy makes one type of text and bytes otherwise, and cuts zeros off the end of these.
    as_it_is = port.dtype == STRING and not isinstance(values, np.ndarray)
    try:
        given = np.asarray(values, object) if as_it_is else np.asarray(values)
    except ValueError as error:
        raise _wrong_column(port, where, f"rows of different shapes ({error})") from error
    column = _text(given, port, where) if port.dtype == STRING else _numbers(given, port, where)
    # The first size is that of the batch, which requests choose.
    if not column.ndim or not fits(port.shape and (None, *port.shape[1:]), column.shape):
        raise _wrong_column(port, where, f"an array of shape {list(column.shape)}")
    return column


def _text(given: Array, port: Port, where: str) -> Array:
    if given.dtype.kind in "US":
        return given.astype(object)
    kinds = set(map(type, given.ravel().tolist()))
    if given.dtype.kind != "O" or not kinds <= {str, bytes}:
        wrong = sorted(kind.__name__ for kind in kinds - {str, bytes}) or [given.dtype.name]
        raise _wrong_column(port, where, f"values of type {', '.join(wrong)}")
    return given


def _numbers(given: Array, port: Port, where: str) -> Array:
    wanted = np.dtype(np.float32) if port.dtype == "bfloat16" else port.numpy
    if given.dtype.kind not in "biuf":
        raise _wrong_column(port, where, f"values of type {given.dtype.name}")
    if wanted.kind == "b":
        if given.dtype.kind != "b":
            raise _wrong_column(port, where, f"values of type {given.dtype.name}")
        return given
    with np.errstate(over="ignore", invalid="ignore"):
        cast = given.astype(wanted)
        if wanted.kind == "f":
            broken = np.isinf(cast) & ~np.isinf(given)
        elif given.dtype.kind == "f":
            # 2**63 is a float, and the first that an int64 cannot be.
            info = np.iinfo(port.dtype)
            inside = (given >= float(info.min)) & (given < float(info.max) + 1)
            broken = ~inside | (np.trunc(given) != given)
        else:
            broken = (cast != given) | ((cast < 0) != (given < 0))
    if broken.any():
        at = np.argwhere(broken)[0]
        raise _wrong_column(port, where, f"{given[tuple(at)]} in row {at[0] if len(at) else 0}")
    return cast


def _wrong_column(port: Port, where: str, received: str) -> DataError:
    shape = "any" if port.shape is None else [size or "any" for size in port.shape]
    return DataError(
        f"The column {port.name!r} does not fit the model's input.",
        where=where,
        expected=f"{port.dtype}, of shape {shape}",
        received=received,
        fix="give values of the model's own type",
    )


def request_body(columns: Mapping[str, Array], signature: str) -> bytes:
    """The columnar body of a `:predict` request."""
    parts = b",".join(orjson.dumps(name) + b":" + _json(one) for name, one in columns.items())
    return b'{"signature_name":%b,"inputs":{%b}}' % (orjson.dumps(signature), parts)


def _json(column: Array) -> bytes:
    if column.dtype.kind == "O":
        return orjson.dumps(column.tolist(), default=_of_bytes)
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        # Standard JSON has no words for these; TensorFlow Serving reads Python's.
        return json.dumps(column.tolist(), separators=(",", ":")).encode()
    return orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)


def _of_bytes(value: Any) -> Any:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is not text")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def loads(body: bytes) -> Any:
    """Reads JSON, with NaN and Infinity.

    Raises:
      ValueError: it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def read_outputs(answer: Any, signature: Signature, rows: int) -> dict[str, Array]:
    """The columns of the answer to a columnar request.

    Raises:
      ValueError: the answer does not fit the signature.
    """
    values = answer["outputs"]
    if len(signature.outputs) == 1:
        # An output that is alone stands without its name.
        values = dict.fromkeys(signature.outputs, values)
    columns = {name: _column(values[name], port) for name, port in signature.outputs.items()}
    for name, column in columns.items():
        if not column.ndim or len(column) != rows:
            raise ValueError(f"{name!r} has shape {list(column.shape)} for {rows} rows")
    return columns


def _column(values: Any, port: Port) -> Array:
    if port.dtype != STRING:
        return np.asarray(values, np.float32 if port.dtype == "bfloat16" else port.numpy)
    column = np.asarray(values, object)
    if not port.name.endswith(_BYTES):
        return column
    decoded = np.empty(column.size, object)
    decoded[:] = [base64.b64decode(one["b64"]) for one in column.ravel().tolist()]
    return decoded.reshape(column.shape)
