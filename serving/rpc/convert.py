"""Between TensorFlow Serving's messages and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, input_pb2, regression_pb2

from serving.codec.examples import class_columns, class_text
from serving.codec.layout import layout_of
from serving.codec.requests import Request
from serving.codec.signature import DEFAULT_SIGNATURE, Port, Signature, fits
from serving.errors import ServingError

_EXAMPLES = "inputs"


def signature_of(
    signatures: Mapping[str, Signature], name: str, *, of_examples: bool = False
) -> Signature:
    """The signature that a request names; the default one where it names none.

    Args:
      signatures: The version's, by name.
      name: The name in the request; may be empty.
      of_examples: Whether it is for Classify or Regress, which refuse with another code.

    Raises:
      ServingError: there is none of this name.
    """
    signature = signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None and of_examples:
        raise ServingError(
            400, f"No signature was found with the name: {name or DEFAULT_SIGNATURE}"
        )
    if signature is None:
        raise ServingError(412, f'Serving signature key "{name or DEFAULT_SIGNATURE}" not found.')
    return signature


def request_of_tensors(signature: Signature, tensors: Mapping[str, Any], most: int) -> Request:
    """Reads the inputs of a PredictRequest.

    Raises:
      ServingError: they are not what the signature takes.
    """
    missing = sorted(set(signature.inputs) - set(tensors))
    extra = sorted(set(tensors) - set(signature.inputs))
    if missing or extra:
        raise ServingError(
            400,
            f"input size does not match signature: {len(tensors)}!={len(signature.inputs)}. "
            f"Sent extra: {extra}. Missing but required: {missing}.",
        )
    arrays = {name: _array(port, tensors[name]) for name, port in signature.inputs.items()}
    sizes = {len(array) if array.ndim else None for array in arrays.values()}
    rows = sizes.pop() if len(sizes) == 1 else None
    if rows is not None and rows > most:
        raise ServingError(400, f"{rows} rows in one request; at most {most} are taken")
    return _request(signature, arrays, rows)


def request_of_examples(signature: Signature, given: Any, most: int) -> Request:
    """Reads the examples of a ClassificationRequest or a RegressionRequest.

    Raises:
      ServingError: there are none, too many, or the signature takes none.
    """
    if set(signature.inputs) != {_EXAMPLES}:
        raise ServingError(400, f"Expected a signature with one input, {_EXAMPLES}")
    serialized = _serialized(given)
    if not serialized:
        raise ServingError(400, "Input is empty")
    if len(serialized) > most:
        raise ServingError(
            400, f"{len(serialized)} examples in one request; at most {most} are taken"
        )
    column = np.empty(len(serialized), object)
    column[:] = serialized
    return _request(signature, {_EXAMPLES: column}, len(serialized))


def tensors_of(
    signature: Signature, outputs: Mapping[str, np.ndarray], wanted: Sequence[str]
) -> dict[str, Any]:
    """Writes outputs as TensorProtos: those that the filter names, all where it names none.

    Raises:
      ServingError: the filter names what is no output, or one twice.
    """
    names = list(wanted) or list(outputs)
    for name in names:
        if name not in outputs:
            raise ServingError(400, f"output tensor alias not found in signature: {name}")
        if names.count(name) > 1:
            raise ServingError(400, f"duplicate output tensor alias: {name}")
    return {
        name: tf.make_tensor_proto(outputs[name], signature.outputs[name].dtype) for name in names
    }


def classifications_of(outputs: Mapping[str, np.ndarray], rows: int) -> Any:
    """Writes classes and scores, `[n, classes]` each, as a ClassificationResult.

    Raises:
      ServingError: the signature gives neither, or not in that shape and type.
    """
    classes, scores = class_columns(outputs, rows)
    result = classification_pb2.ClassificationResult()
    for names, values in zip(classes.tolist(), scores.tolist(), strict=True):
        row = result.classifications.add()
        for name, value in zip(names, values, strict=True):
            row.classes.add(label=class_text(name), score=value)
    return result


def regressions_of(outputs: Mapping[str, np.ndarray], rows: int) -> Any:
    """Writes the output `outputs`, `[n]` or `[n, 1]`, as a RegressionResult.

    Raises:
      ServingError: there is no such output.
    """
    values = outputs.get("outputs")
    if values is None or values.shape not in ((rows,), (rows, 1)):
        raise ServingError(400, f"Expected an output of shape [{rows}] or [{rows}, 1]: outputs")
    if values.dtype != np.float32:
        raise ServingError(400, f"Expected output Tensor of type float; got: {values.dtype.name}")
    result = regression_pb2.RegressionResult()
    for value in values.reshape(rows).tolist():
        result.regressions.add(value=value)
    return result


def _request(signature: Signature, arrays: Mapping[str, np.ndarray], rows: int | None) -> Request:
    columns = None if rows is None else layout_of(signature).pack(arrays)
    return Request(signature, by_row=False, rows=rows, inputs=columns or arrays)


def _array(port: Port, tensor: Any) -> np.ndarray:
    try:
        dtype = tf.dtypes.as_dtype(tensor.dtype).name
        array: np.ndarray = np.asarray(tf.make_ndarray(tensor))
    except (TypeError, ValueError) as error:
        raise ServingError(400, f"The tensor {port.name} cannot be read: {error}") from error
    if dtype != port.dtype:
        raise ServingError(
            400, f"Expected input {port.name} to be of type {port.dtype}; got: {dtype}"
        )
    if port.shape is not None and not fits(port.shape, array.shape):
        shape = [-1 if size is None else size for size in port.shape]
        raise ServingError(
            400, f"Expected input {port.name} of shape {shape}; got: {list(array.shape)}"
        )
    return array


def _serialized(given: input_pb2.Input) -> list[bytes]:
    """A context stands before each example: fields of serialized messages add up."""
    if given.WhichOneof("kind") == "example_list_with_context":
        both = given.example_list_with_context
        context = both.context.SerializeToString()
        return [context + each.SerializeToString() for each in both.examples]
    return [each.SerializeToString() for each in given.example_list.examples]
