"""Reads the answer to `GET /v1/models/NAME/metadata`: what a model takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.errors import ModelError
from serving.codec.signature import STRING, Port, Signature

_DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
    "DT_BFLOAT16": "bfloat16",
    "DT_INT8": "int8",
    "DT_INT16": "int16",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_UINT8": "uint8",
    "DT_UINT16": "uint16",
    "DT_UINT32": "uint32",
    "DT_UINT64": "uint64",
    "DT_BOOL": "bool",
    "DT_STRING": STRING,
}


def signatures_of(answer: Mapping[str, Any], where: str) -> dict[str, Signature]:
    """The signatures that metadata tells of, by name.

    Signatures with a type that JSON has no form for are left out.

    Args:
      answer: The body of the answer.
      where: Who gave it.

    Raises:
      ModelError: this is no such metadata.
    """
    try:
        signatures = answer["metadata"]["signature_def"]["signature_def"]
        found = {name: _signature(name, content) for name, content in signatures.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            "The metadata cannot be read.",
            where=where,
            expected="metadata.signature_def.signature_def, as TensorFlow Serving gives it",
            received=f"{type(error).__name__}: {error}",
            fix="point at a server that speaks TensorFlow Serving's REST API",
        ) from error
    return {name: signature for name, signature in found.items() if signature is not None}


def _signature(name: str, content: Mapping[str, Any]) -> Signature | None:
    sides = [content.get(side) or {} for side in ("inputs", "outputs")]
    if any(port["dtype"] not in _DTYPES for side in sides for port in side.values()):
        return None
    inputs, outputs = ({key: _port(key, one) for key, one in side.items()} for side in sides)
    return Signature(name, inputs, outputs, content.get("method_name") or "")


def _port(name: str, fields: Mapping[str, Any]) -> Port:
    form = fields.get("tensor_shape") or {}
    shape = None
    if not form.get("unknown_rank"):
        sizes = [int(dim["size"]) for dim in form.get("dim") or ()]
        shape = tuple(None if size < 0 else size for size in sizes)
    return Port(name, _DTYPES[fields["dtype"]], shape)
