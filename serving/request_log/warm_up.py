"""Makes a warm-up file out of a request log: a new version answers what is really asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from contracts.errors import DataError
from contracts.prediction_log import MOST_WARMUP_REQUESTS, LoggedRequest, from_record, to_warm_up
from contracts.tfrecord import frame, read_records
from serving.codec.signature import STRING, Port, Signature


def read_log(files: Iterable[Path]) -> Iterator[LoggedRequest]:
    """Reads the requests of a log's files, one after the other.

    Raises:
      DataError: a file is broken.
    """
    for path in files:
        for record in read_records(path):
            yield from_record(record)


def write_warm_up(
    files: Iterable[Path],
    path: Path,
    signatures: Mapping[str, Signature],
    most: int = MOST_WARMUP_REQUESTS,
) -> int:
    """Writes requests of a log as `assets.extra/tf_serving_warmup_requests` wants them.

    Args:
      files: Files of the log of one model.
      path: The file to write.
      signatures: Of the model. Inputs that the log leaves out are filled with empty text,
        NaN or 0.
      most: The most requests to write.

    Returns:
      How many requests were written.

    Raises:
      DataError: a file is broken, or has a request for no signature of the model.
    """
    count = 0
    with path.open("wb") as file:
        for request in read_log(files):
            if count == min(most, MOST_WARMUP_REQUESTS):
                break
            file.write(frame(to_warm_up(_filled(request, signatures))))
            count += 1
    return count


def _filled(request: LoggedRequest, signatures: Mapping[str, Signature]) -> LoggedRequest:
    signature = signatures.get(request.signature)
    if signature is None:
        raise DataError(
            "The log has requests for another model.",
            where=f"{request.name}, version {request.version}",
            expected=f"one of the signatures {', '.join(sorted(signatures))}",
            received=request.signature,
        )
    rows = max((len(column) for column in request.inputs.values() if column.ndim), default=1)
    blank = {
        name: _blank(port, rows)
        for name, port in signature.inputs.items()
        if name not in request.inputs
    }
    return replace(request, inputs={**request.inputs, **blank})


def _blank(port: Port, rows: int) -> np.ndarray:
    shape = (rows, *(size or 1 for size in (port.shape or (None,))[1:]))
    if port.dtype == STRING:
        return np.full(shape, b"", dtype=object)
    return np.full(shape, np.nan if port.numpy.kind == "f" else 0, dtype=port.numpy)
