"""`tensorflow.serving.PredictionLog` without TensorFlow.

The generated modules of these messages import TensorFlow, which a proxy or a pusher has no
other use for. The parts of them that the log has are declared here, in a pool of their own,
with the numbers and types that make the bytes the same.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Arrays = Mapping[str, np.ndarray]

# Where requests travel with a SavedModel; TensorFlow Serving refuses a file with more of them.
WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MOST_WARMUP_REQUESTS = 1000

_F = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "tensorflow.serving"
# By message: field, number, type; a type in brackets is repeated, one in braces is the
# value of a map from text. A message of the log has its fields by the names in TensorFlow's.
_MESSAGES: dict[str, list[tuple[str, int, str]]] = {
    "Dim": [("size", 1, "int64")],
    "TensorShapeProto": [("dim", 2, "[Dim]")],
    "TensorProto": [
        ("dtype", 1, "int32"),
        ("tensor_shape", 2, "TensorShapeProto"),
        ("tensor_content", 4, "bytes"),
        ("string_val", 8, "[bytes]"),
    ],
    "Int64Value": [("value", 1, "int64")],
    "ModelSpec": [
        ("name", 1, "string"),
        ("version", 2, "Int64Value"),
        ("signature_name", 3, "string"),
    ],
    "PredictRequest": [("model_spec", 1, "ModelSpec"), ("inputs", 2, "{TensorProto}")],
    "PredictResponse": [("outputs", 1, "{TensorProto}"), ("model_spec", 2, "ModelSpec")],
    "PredictLog": [("request", 1, "PredictRequest"), ("response", 2, "PredictResponse")],
    "SamplingConfig": [("sampling_rate", 1, "double")],
    "LogMetadata": [
        ("model_spec", 1, "ModelSpec"),
        ("sampling_config", 2, "SamplingConfig"),
        ("timestamp_secs", 4, "int64"),
    ],
    "PredictionLog": [("log_metadata", 1, "LogMetadata"), ("predict_log", 6, "PredictLog")],
}
# tensorflow/core/framework/types.proto
DTYPES: dict[str, int] = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "string": 7,
    "int64": 9,
    "bool": 10,
    "bfloat16": 14,
    "uint16": 17,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
_NAMES = {number: name for name, number in DTYPES.items()}


@dataclass(frozen=True)
class LoggedRequest:
    """One answered request, for the request log.

    Attributes:
      name: The model's name.
      version: The version that answered.
      signature: The signature that was called.
      inputs: Its inputs as arrays, the batch dimension first.
      outputs: Its outputs as arrays.
      method: "predict", "classify" or "regress".
      duration_s: From body to answer.
    """

    name: str
    version: int
    signature: str
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    method: str = "predict"
    duration_s: float = 0.0


@functools.cache
def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="kelp/prediction_log.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _declare(message, *field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _declare(message: descriptor_pb2.DescriptorProto, field: str, number: int, kind: str) -> None:
    plain = kind.strip("[]{}")
    label = _F.LABEL_OPTIONAL if plain == kind else _F.LABEL_REPEATED
    if kind.startswith("{"):
        entry = message.nested_type.add(name=f"{field.capitalize()}Entry")
        entry.options.map_entry = True
        _declare(entry, "key", 1, "string")
        _declare(entry, "value", 2, plain)
        plain = f"{message.name}.{entry.name}"
    declared = message.field.add(name=field, number=number, label=label)
    if plain in ("int32", "int64", "double", "bytes", "string"):
        declared.type = getattr(_F, f"TYPE_{plain.upper()}")
    else:
        declared.type, declared.type_name = _F.TYPE_MESSAGE, f".{_PACKAGE}.{plain}"


def to_record(
    request: LoggedRequest, leave_out: frozenset[str], rate: float, time_s: float
) -> bytes:
    """A request as a record of the log.

    Args:
      request: What was asked and answered.
      leave_out: Inputs and outputs that must not be in the record.
      rate: The share of the requests that is kept.
      time_s: When it was answered, in seconds since 1970.
    """
    log = _class("PredictionLog")()
    log.log_metadata.sampling_config.sampling_rate = rate
    log.log_metadata.timestamp_secs = int(time_s)
    asked, answered = log.predict_log.request, log.predict_log.response
    for spec in (log.log_metadata.model_spec, asked.model_spec, answered.model_spec):
        spec.name, spec.signature_name = request.name, request.signature
        spec.version.value = request.version
    _fill(asked.inputs, request.inputs, leave_out)
    _fill(answered.outputs, request.outputs, leave_out)
    content: bytes = log.SerializeToString(deterministic=True)
    return content


def from_record(record: bytes) -> LoggedRequest:
    """The request that a record tells of."""
    log = _class("PredictionLog").FromString(record).predict_log
    return LoggedRequest(
        name=log.request.model_spec.name,
        version=log.request.model_spec.version.value,
        signature=log.request.model_spec.signature_name,
        inputs={name: _array(tensor) for name, tensor in sorted(log.request.inputs.items())},
        outputs={name: _array(tensor) for name, tensor in sorted(log.response.outputs.items())},
    )


def to_warm_up(request: LoggedRequest) -> bytes:
    """A request as a record of a warm-up file: its inputs, for whichever version loads it."""
    log = _class("PredictionLog")()
    asked = log.predict_log.request
    asked.model_spec.name, asked.model_spec.signature_name = request.name, request.signature
    _fill(asked.inputs, request.inputs, frozenset())
    content: bytes = log.SerializeToString(deterministic=True)
    return content


def _fill(tensors: Any, arrays: Arrays, leave_out: frozenset[str]) -> None:
    for name, array in arrays.items():
        if name not in leave_out:
            _set(tensors[name], array)


def _set(tensor: Any, array: np.ndarray) -> None:
    is_text = array.dtype.kind in "OSU"
    tensor.dtype = DTYPES["string" if is_text else array.dtype.name]
    # A scalar has a shape too: one without dimensions.
    tensor.tensor_shape.SetInParent()
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if is_text:
        tensor.string_val.extend(
            [one.encode() if isinstance(one, str) else bytes(one) for one in array.ravel().tolist()]
        )
    else:
        tensor.tensor_content = np.ascontiguousarray(array).tobytes()


def _array(tensor: Any) -> np.ndarray:
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    name = _NAMES[tensor.dtype]
    if name == "string":
        texts = np.empty(len(tensor.string_val), dtype=object)
        texts[:] = list(tensor.string_val)
        return texts.reshape(shape)
    if name == "bfloat16":
        # numpy has no such type: these are the upper halves of float32s.
        halves = np.frombuffer(tensor.tensor_content, np.uint16).astype(np.uint32) << 16
        return halves.view(np.float32).reshape(shape)
    return np.frombuffer(tensor.tensor_content, name).reshape(shape)
