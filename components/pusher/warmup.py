"""TensorFlow Serving's warm-up file: requests it answers before it takes traffic.

Format: TFRecords of `tensorflow.serving.PredictionLog`, at most 1,000, under
`assets.extra/tf_serving_warmup_requests` (TensorFlow Serving, "SavedModel Warmup").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

SIGNATURE = "serving_default"


def write_warmup(path: Path, name: str, columns: Mapping[str, np.ndarray], rows: int) -> int:
    """Writes one request of one row for each of the first `rows` rows.

    Args:
      path: The file to write.
      name: The model's name in TensorFlow Serving.
      columns: The named raw columns, equally long.
      rows: The most requests to write.

    Returns:
      How many requests were written.
    """
    count = min(rows, *(len(column) for column in columns.values()))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in range(count):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = SIGNATURE
            for key, column in columns.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(column[row : row + 1]))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
    return count
