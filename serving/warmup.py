"""The requests that travel with a SavedModel, as TensorFlow Serving replays them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from contracts.errors import DataError, ModelError
from contracts.prediction_log import MOST_WARMUP_REQUESTS, WARMUP_FILE
from contracts.tfrecord import read_records
from serving.codec.requests import Request
from serving.codec.signature import Signature
from serving.errors import ServingError
from serving.rpc import convert

_MOST_ROWS = 2**31
_EXAMPLES = ("classify_log", "regress_log")
_REFUSED = ("predict_streamed_log", "session_run_log")

Asked = tuple[str, Mapping[str, np.ndarray]]
Record = tuple[int, str, Mapping[str, np.ndarray]]


def read_warmup(path: Path, signatures: Mapping[str, Signature]) -> Iterator[Record]:
    """Gives the record's number from 1, signature and inputs of each request beside a SavedModel.

    A record that asks for several inferences is as many requests.

    Args:
      path: The version's folder.
      signatures: The model's signatures by name.

    Raises:
      ModelError: the file is damaged or too long, or has a request that the model refuses.
    """
    file = path / WARMUP_FILE
    if not file.is_file():
        return
    count = 0
    try:
        for record in read_records(file):
            count += 1
            if count > MOST_WARMUP_REQUESTS:
                raise _too_many(file)
            log = prediction_log_pb2.PredictionLog.FromString(record)
            for signature, inputs in _asked(log, signatures):
                yield count, signature, inputs
    except ServingError as error:
        raise refused(path, count, error) from error
    except (DataError, DecodeError, ValueError, TypeError) as error:
        raise ModelError(
            "The warm-up requests cannot be read.",
            where=f"{file}, record {count}" if count else str(file),
            expected="TFRecords of tensorflow.serving.PredictionLog",
            received=str(error).splitlines()[0],
            fix="Remove the file, or push the version again.",
        ) from error


def refused(path: Path, record: int, error: ServingError) -> ModelError:
    """The problem of a request that the model does not answer; TensorFlow Serving has it too.

    Args:
      path: The version's folder.
      record: Which request, from 1.
      error: Why.
    """
    return ModelError(
        "A warm-up request is refused.",
        where=f"{path / WARMUP_FILE}, record {record}",
        expected="requests that the model answers",
        received=error.message,
        fix="Remove the file, or write it anew for this model.",
    )


def _too_many(file: Path) -> ModelError:
    return ModelError(
        "There are too many warm-up requests.",
        where=str(file),
        expected=f"at most {MOST_WARMUP_REQUESTS} records",
        received="more",
        fix="Write fewer: some ten are enough to warm a model.",
    )


def _asked(log: Any, signatures: Mapping[str, Signature]) -> Iterator[Asked]:
    kind = log.WhichOneof("log_type")
    if kind in _REFUSED:
        raise ServingError(501, f"Unsupported log_type for warmup: {kind}")
    if kind == "predict_log":
        request = log.predict_log.request
        signature = convert.signature_of(signatures, request.model_spec.signature_name)
        unknown = sorted(set(request.output_filter) - set(signature.outputs))
        if unknown:
            raise ServingError(400, f"output tensor alias not found in signature: {unknown[0]}")
        yield _of(convert.request_of_tensors(signature, request.inputs, _MOST_ROWS))
    elif kind in _EXAMPLES:
        request = getattr(log, kind).request
        yield _examples(request.model_spec, request.input, signatures)
    elif kind == "multi_inference_log":
        request = log.multi_inference_log.request
        for task in request.tasks:
            yield _examples(task.model_spec, request.input, signatures)


def _examples(model: Any, given: Any, signatures: Mapping[str, Signature]) -> Asked:
    signature = convert.signature_of(signatures, model.signature_name)
    return _of(convert.request_of_examples(signature, given, _MOST_ROWS))


def _of(request: Request) -> Asked:
    return request.signature.name, request.inputs
