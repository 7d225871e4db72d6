"""The requests that travel with a SavedModel, as TensorFlow Serving replays them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.codec.signature import DEFAULT_SIGNATURE
from serving.errors import ServingProblem

WARMUP = Path("assets.extra", "tf_serving_warmup_requests")
_MOST = 1000  # TensorFlow Serving refuses files with more


def read_warmup(path: Path) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
    """Gives signature and inputs of each `:predict` request beside a SavedModel.

    Raises:
      ServingProblem: if the file is damaged.
    """
    file = path / WARMUP
    if not file.is_file():
        return
    try:
        for record in tf.data.TFRecordDataset(str(file)).take(_MOST).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.WhichOneof("log_type") == "predict_log":
                request = log.predict_log.request
                yield (
                    request.model_spec.signature_name or DEFAULT_SIGNATURE,
                    {name: tf.make_ndarray(each) for name, each in request.inputs.items()},
                )
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise ServingProblem(
            "The warm-up requests cannot be read.",
            where=str(file),
            expected="TFRecords of tensorflow.serving.PredictionLog",
            received=str(error).splitlines()[0],
            fix="Remove the file, or push the version again.",
        ) from error
