"""TensorFlow Serving's warm-up file: requests it answers before it takes traffic.

Format: TFRecords of `tensorflow.serving.PredictionLog` (TensorFlow Serving, "SavedModel
Warmup").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from contracts.prediction_log import LoggedRequest, to_warm_up
from contracts.tfrecord import frame

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
    with path.open("wb") as file:
        for row in range(count):
            inputs = {key: column[row : row + 1] for key, column in columns.items()}
            file.write(frame(to_warm_up(LoggedRequest(name, 0, SIGNATURE, inputs, {}))))
    return count
