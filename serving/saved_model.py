"""A SavedModel as a servable: read from its own protos, executed by TensorFlow."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from contracts.errors import ModelError
from serving.codec.layout import Columns
from serving.codec.requests import is_mergeable
from serving.codec.signature import PREDICT, Port, Signature
from serving.errors import ServingError
from serving.images import image_error
from serving.packed_call import PackedCall, pack_signature
from serving.steady import is_steady
from serving.texts import check_texts

_SERVE = "serve"
# How TensorFlow's status codes are answered over HTTP.
_STATUSES = {
    tf.errors.INVALID_ARGUMENT: 400,
    tf.errors.OUT_OF_RANGE: 400,
    tf.errors.NOT_FOUND: 404,
    tf.errors.DEADLINE_EXCEEDED: 504,
    tf.errors.RESOURCE_EXHAUSTED: 429,
    tf.errors.FAILED_PRECONDITION: 412,
    tf.errors.UNIMPLEMENTED: 501,
    tf.errors.UNAVAILABLE: 503,
    tf.errors.PERMISSION_DENIED: 403,
    tf.errors.UNAUTHENTICATED: 401,
    tf.errors.ALREADY_EXISTS: 409,
    tf.errors.ABORTED: 409,
}
_VALUES: Mapping[str, Any] = {"string": b"a", "bool": True, "float32": 0.5, "float64": 0.5}
# Of a few bytes each, they may become megabytes of pixels.
_IMAGES_AT_ONCE = 64
# What TensorFlow puts around the sentence that says what is wrong.
_TRACES = ("Graph execution error", "Detected at", "<stack traces", "File ", "[[")
_OPERATION = re.compile(r"\s*\[Op:[^\]]*\]")


class SavedModelServable:
    """A version that a SavedModel's folder holds; see `serving.servable.Servable`.

    Args:
      path: The folder.
      packed: Whether to call signatures of many columns with few tensors, where that gives
        the very same answers.

    Raises:
      ModelError: if the folder cannot be loaded.
    """

    def __init__(self, path: Path, *, packed: bool = True) -> None:
        self._path = path
        graph = read_meta_graph(path)
        self.metadata: Mapping[str, Any] = {"signature_def": _metadata(graph)}
        try:
            self._model: Any = tf.saved_model.load(str(path), tags=[_SERVE])
        except Exception as error:
            raise ModelError(
                "This SavedModel cannot be loaded.",
                where=str(path),
                received=str(error).splitlines()[0] if str(error) else type(error).__name__,
                fix="Push the version again, or remove its folder.",
            ) from error
        self.signatures: Mapping[str, Signature] = _signatures(graph, self._model.signatures)
        self._calls: dict[str, Any] = {
            name: self._model.signatures[name] for name in self.signatures
        }
        self.steady = frozenset(
            name for name, call in self._calls.items() if _is_steady(call.graph)
        )
        self._image_limits = _limits(self._model, "image_inputs")
        self._text_limits = _limits(self._model, "text_inputs")
        self._packed: dict[str, PackedCall] = {}
        if packed:
            self._pack()

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Executes one batch.

        Raises:
          ServingError: if the model refuses the inputs.
        """
        if self._text_limits:
            check_texts(inputs, self._text_limits)
        try:
            return self._run(signature, inputs)
        except tf.errors.OpError as error:
            refusal = image_error(inputs, self._image_limits)
            if refusal is not None:
                raise refusal from error
            raise ServingError(_STATUSES.get(error.error_code, 500), _reason(error)) from error
        except (TypeError, ValueError) as error:
            raise ServingError(400, f"The model refuses its inputs: {_reason(error)}") from error

    def _run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows = len(next(iter(inputs.values()), ())) if self._image_limits else 0
        if rows > _IMAGES_AT_ONCE and is_mergeable(self.signatures[signature]):
            parts = [
                self._run(
                    signature,
                    {name: each[start : start + _IMAGES_AT_ONCE] for name, each in inputs.items()},
                )
                for start in range(0, rows, _IMAGES_AT_ONCE)
            ]
            return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        call = self._packed.get(signature)
        if call is not None:
            columns = inputs if isinstance(inputs, Columns) else call.layout.pack(inputs)
            if columns is not None:
                return call(columns)
        return self._plain(signature, inputs)

    def warm_up(self) -> int:
        """Answers the requests that travel with the model; gives how many records there were.

        Raises:
          ModelError: the model refuses one of them, as TensorFlow Serving would.
        """
        from serving.warmup import refused

        count = 0
        for count, signature, inputs in self._warmup_requests():
            try:
                self.run(signature, inputs)
            except ServingError as error:
                raise refused(self._path, count, error) from error
        return count

    def close(self) -> None:
        """Lets go of the model; its memory goes with the last request on it."""
        self._calls = {}
        self._packed = {}
        self._model = None

    def _plain(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        ports = self.signatures[signature].inputs
        tensors = {
            name: tf.constant(inputs[name], dtype=port.dtype) for name, port in ports.items()
        }
        outputs: Mapping[str, Any] = self._calls[signature](**tensors)
        return {name: _array(outputs[name]) for name in sorted(outputs)}

    def _pack(self) -> None:
        """Takes the quick way for each signature for which it gives the very same answers."""
        samples: dict[str, list[Mapping[str, np.ndarray]]] = {}
        for _, called, inputs in self._warmup_requests():
            samples.setdefault(called, []).append(inputs)
        for name, signature in self.signatures.items():
            call = pack_signature(signature, self._calls[name])
            requests = samples.get(name) or [_made_up(signature)]
            if call and all(self._agrees(name, call, each) for each in requests):
                self._packed[name] = call

    def _agrees(self, name: str, call: PackedCall, inputs: Mapping[str, np.ndarray]) -> bool:
        columns = call.layout.pack(inputs)
        if columns is None:
            return False
        try:
            ours, theirs = call(columns), self._plain(name, inputs)
        except (tf.errors.OpError, TypeError, ValueError, AttributeError):
            return False
        return list(ours) == list(theirs) and all(
            np.array_equal(ours[output], array, equal_nan=array.dtype.kind == "f")
            for output, array in theirs.items()
        )

    def _warmup_requests(self) -> Iterator[tuple[int, str, Mapping[str, np.ndarray]]]:
        from serving.warmup import read_warmup

        return read_warmup(self._path, self.signatures)


def set_threads(operation: int, calls: int) -> None:
    """Says how many CPU threads there are; before anything is loaded.

    Args:
      operation: On how many one operation may run.
      calls: How many may be at work at once: a slow model must not keep the others waiting.
    """
    with contextlib.suppress(RuntimeError):  # TensorFlow runs already, with the settings of then
        tf.config.threading.set_intra_op_parallelism_threads(operation)
        tf.config.threading.set_inter_op_parallelism_threads(calls)


def read_meta_graph(path: Path) -> meta_graph_pb2.MetaGraphDef:
    """Reads the graph for serving from `saved_model.pb`.

    Raises:
      ModelError: if there is none.
    """
    file = path / "saved_model.pb"
    proto = saved_model_pb2.SavedModel()
    try:
        proto.ParseFromString(file.read_bytes())
    except Exception as error:
        raise ModelError(
            "This SavedModel cannot be read.",
            where=str(file),
            received=str(error) or type(error).__name__,
            fix="Push the version again, or remove its folder.",
        ) from error
    for graph in proto.meta_graphs:
        if _SERVE in graph.meta_info_def.tags:
            return graph
    raise ModelError(
        "This SavedModel has no graph for serving.",
        where=str(file),
        expected=f"tags: {_SERVE}",
        received=", ".join(str(list(graph.meta_info_def.tags)) for graph in proto.meta_graphs),
    )


def _metadata(graph: meta_graph_pb2.MetaGraphDef) -> dict[str, Any]:
    """What TensorFlow Serving's SignatureDefMap is as JSON."""
    return {
        "signature_def": {
            name: json_format.MessageToDict(
                graph.signature_def[name],
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for name in sorted(graph.signature_def)
        }
    }


def _signatures(
    graph: meta_graph_pb2.MetaGraphDef, loaded: Mapping[str, Any]
) -> dict[str, Signature]:
    return {
        name: Signature(
            name,
            {key: _port(key, proto.inputs[key]) for key in sorted(proto.inputs)},
            {key: _port(key, proto.outputs[key]) for key in sorted(proto.outputs)},
            proto.method_name or PREDICT,
        )
        for name, proto in sorted(graph.signature_def.items())
        if name in loaded
    }


def _port(name: str, info: Any) -> Port:
    shape = None
    if not info.tensor_shape.unknown_rank:
        shape = tuple(None if dim.size < 0 else int(dim.size) for dim in info.tensor_shape.dim)
    return Port(name, tf.dtypes.as_dtype(info.dtype).name, shape)


def _limits(model: Any, name: str) -> dict[str, int]:
    """By input of images or texts, how many pixels or bytes these may have."""
    function = getattr(model, name, None)
    return {} if function is None else dict(json.loads(function().numpy()))


def _is_steady(graph: Any) -> bool:
    captured = [placeholder.op.name for _, placeholder in graph.captures]
    try:
        return is_steady(graph.as_graph_def(), captured)
    except ValueError:  # a graph of more than 2 GiB has no such form
        return False


def _made_up(signature: Signature) -> dict[str, np.ndarray]:
    """Two rows for a model without warm-up requests."""
    return {
        name: np.full(
            [size or 2 for size in port.shape or ()], _VALUES.get(port.dtype, 1), port.numpy
        )
        for name, port in signature.inputs.items()
    }


def _array(tensor: Any) -> np.ndarray:
    """A tensor as an array; a scalar of bytes too."""
    value = tensor.numpy()
    if isinstance(value, np.ndarray):
        return value
    array = np.empty((), object) if isinstance(value, bytes) else np.asarray(value)
    if isinstance(value, bytes):
        array[()] = value
    return array


def _reason(error: Exception) -> str:
    """What went wrong, without where in the graph: one line."""
    text = str(getattr(error, "message", None) or error)
    lines = [line.strip() for line in text.splitlines()]
    messages = [line for line in lines if line and not line.startswith(_TRACES)]
    first = _OPERATION.sub("", messages[0]) if messages else type(error).__name__
    return "".join(each if each.isprintable() else "?" for each in first)[:400]
