"""Bodies of `:classify` and `:regress`: named features to `tf.Example`, results back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from tensorflow.core.example import example_pb2

from serving.codec.answers import encode_results
from serving.codec.layout import Columns, layout_of
from serving.codec.parse import parse, shown
from serving.codec.requests import Request, signature_name
from serving.codec.signature import Signature
from serving.codec.values import UnfitError, first_wrong, is_base64, text_to_bytes
from serving.errors import ServingError

Method = Literal["classify", "regress"]

_INPUT = "inputs"
_CLASSES = "classes"
_SCORES = "scores"
_OUTPUTS = "outputs"
_OUTPUT_COUNTS: Mapping[Method, tuple[int, ...]] = {"classify": (1, 2), "regress": (1,)}
_COUNTS = {1: "one", 2: "two"}


def decode(
    method: Method, body: bytes, signatures: Mapping[str, Signature], most: int, depth: int
) -> Request:
    """Reads the body of a `:classify` or `:regress` request.

    Args:
      method: Which of them.
      body: The request's JSON.
      signatures: The model's signatures by name.
      most: Most examples in one request.
      depth: Deepest nesting.

    Raises:
      ServingError: if it is none that one of the signatures can answer.
    """
    return _decode(_document(body, most, depth), signatures, _OUTPUT_COUNTS[method])


def encode(method: Method, request: Request, outputs: Mapping[str, np.ndarray]) -> bytes:
    """Writes the answer to a request that `decode` has read.

    Raises:
      ServingError: if the outputs are not those of such a signature.
    """
    write = _encode_classify if method == "classify" else _encode_regress
    return write(request, outputs)


def class_columns(outputs: Mapping[str, np.ndarray], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Gives classes and scores, `[rows, classes]` each, of a signature that classifies.

    Args:
      outputs: What it gives: the names of the classes, their scores, or both. Names that it does
        not give are empty, and scores 0.
      rows: How many examples there were.

    Raises:
      ServingError: it gives neither, or one of another type or shape than an answer can hold.
    """
    classes, scores = outputs.get(_CLASSES), outputs.get(_SCORES)
    wanted = ((_CLASSES, classes, object, "string"), (_SCORES, scores, np.float32, "float"))
    for name, array, dtype, type_name in wanted:
        if array is None:
            continue
        if array.ndim != 2 or len(array) != rows:
            raise ServingError(
                400,
                f"Expected Tensor {name} of shape [{rows}, classes]; got: {list(array.shape)}",
            )
        if array.dtype != dtype:
            raise ServingError(
                400, f"Expected {name} Tensor of type {type_name}; got: {array.dtype.name}"
            )
    if classes is not None and scores is not None and classes.shape != scores.shape:
        raise ServingError(
            400, "Tensors class and score should match in shape[1]. Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )  # fmt: skip
    if classes is not None:
        return classes, np.zeros(classes.shape, np.float32) if scores is None else scores
    if scores is not None:
        return np.full(scores.shape, b"", object), scores
    raise ServingError(
        400, f"Expected classification signature outputs to contain at least one of {_CLASSES} "
        f"or {_SCORES}"
    )  # fmt: skip


def class_text(name: Any) -> str:
    """The name of a class as text."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _encode_classify(request: Request, outputs: Mapping[str, np.ndarray]) -> bytes:
    """Writes pairs of class and score, a list for each example."""
    classes, scores = class_columns(outputs, request.rows or 0)
    return encode_results(
        [
            [[class_text(name), score] for name, score in zip(names, row, strict=True)]
            for names, row in zip(classes, scores, strict=True)
        ]
    )


def _encode_regress(request: Request, outputs: Mapping[str, np.ndarray]) -> bytes:
    """Writes one value for each example."""
    rows = request.rows or 0
    values = outputs.get(_OUTPUTS)
    if values is None:
        raise ServingError(400, f"Missing regression output Tensor: {_OUTPUTS}")
    if values.dtype != np.float32:
        raise ServingError(400, "Expected output Tensor of type float")
    if values.shape not in ((rows,), (rows, 1)):
        raise ServingError(
            400,
            f"Expected output Tensor shape to be [{rows}] or [{rows}, 1]; got: "
            f"{list(values.shape)}",
        )
    return encode_results(list(values.reshape(rows)))


def _document(body: bytes, most: int, depth: int) -> dict[str, Any]:
    # Features go into a map one after another, so that the last of equal names stays.
    document = parse(body, depth, len, last_counts=True)
    examples = document.get("examples")
    if type(examples) is list and len(examples) > most:
        raise ServingError(
            400, f"{len(examples)} examples in one request; at most {most} are taken"
        )
    return document


def _decode(
    document: Mapping[str, Any], signatures: Mapping[str, Signature], outputs: tuple[int, ...]
) -> Request:
    """Reads examples for a signature of one input; `outputs` is how many it may have.

    The signature's method name is not looked at, as TensorFlow Serving does not by default
    to: TensorFlow 2 writes the same one for all.
    """
    name = signature_name(document)
    shared = _example(document["context"], "context") if "context" in document else b""
    examples = _checked(document)
    serialized = np.empty(len(examples), object)
    serialized[:] = [
        shared + _example(each, f"example {place}") for place, each in enumerate(examples)
    ]
    signature = signatures.get(name)
    if signature is None:
        raise ServingError(400, f"No signature was found with the name: {shown(name)[1:-1]}")
    if set(signature.inputs) != {_INPUT}:
        raise ServingError(400, f"Expected one input Tensor, {_INPUT}")
    if len(signature.outputs) not in outputs:
        wanted = " or ".join(_COUNTS[count] for count in outputs)
        raise ServingError(400, f"Expected {wanted} output Tensors, found {len(signature.outputs)}")
    layout = layout_of(signature)
    inputs: Mapping[str, np.ndarray] = {_INPUT: serialized}
    packed = layout.pack(inputs) if layout.places else Columns(layout, (), inputs)
    return Request(signature, by_row=True, rows=len(examples), inputs=packed or inputs)


def _checked(document: Mapping[str, Any]) -> list[Any]:
    if "examples" not in document:
        raise ServingError(
            400, "When method is classify, key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if type(examples) is not list:
        raise ServingError(400, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise ServingError(400, "'examples' value is an empty array")
    return examples


def _example(features: Any, where: str) -> bytes:
    if type(features) is not dict:
        raise ServingError(
            400, f"Example must be JSON object but got JSON {shown(features)} ({where})"
        )
    example = example_pb2.Example()
    for name, value in features.items():
        try:
            key = name.encode().decode()
        except UnicodeEncodeError:
            raise ServingError(400, f"The name of a feature is no text ({where})") from None
        _fill(example.features.feature[key], value if type(value) is list else [value], key, where)
    serialized: bytes = example.SerializeToString()
    return serialized


def _fill(feature: Any, values: list[Any], name: str, where: str) -> None:
    kinds = {_kind(value) for value in values}
    if "" in kinds:
        odd = next(value for value in values if not _kind(value))
        raise ServingError(
            400,
            f"Feature: {name} has element with unexpected JSON type: {shown(odd)} ({where})",
        )
    if len(kinds) > 1:
        raise ServingError(
            400,
            f"Unexpected element type in feature: {name} expecting type: "
            f"{_kind(values[0])} ({where})",
        )
    if kinds == {"bytes"}:
        try:
            feature.bytes_list.value.extend(map(text_to_bytes, values))
        except UnfitError:
            raise ServingError(400, f"Unable to base64 decode: {name} ({where})") from None
    elif kinds == {"float"}:
        with np.errstate(over="ignore"):
            feature.float_list.value.extend(np.array(values, np.float32).tolist())
    elif kinds == {"int64"}:
        numbers = list(map(int, values))
        if first_wrong(numbers, "int64") is not None:
            raise ServingError(
                400,
                f"Feature: {name} has uint64 element. Only int64 is supported. ({where})",
            )
        feature.int64_list.value.extend(numbers)


def _kind(value: Any) -> str:
    if type(value) is str or is_base64(value):
        return "bytes"
    if type(value) is float:
        return "float"
    return "int64" if type(value) in (int, bool) else ""
