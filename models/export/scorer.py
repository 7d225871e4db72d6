"""A SavedModel's answers, in batches."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from contracts.forecasts import flat_quantiles
from models.export.encoding import encoding_from_json
from models.features.spec import Task
from models.tasks import find_task


class Scorer:
    """A loaded SavedModel that gives the score of each row.

    Attributes:
      threshold: The operating threshold that the model decides at; binary only.
      forecast: The levels of its quantiles, and what MASE is scaled by; forecasts only.
    """

    def __init__(self, saved_model: Path, task: Task) -> None:
        # The module must live as long as its functions: they hold its variables weakly.
        self._module = tf.saved_model.load(str(saved_model))
        self._output = find_task(task).score_output
        encoding = encoding_from_json(self._module.encoding().numpy().decode())
        self.threshold = encoding.threshold
        self._rows_at_once = encoding.rows_at_once
        self.forecast = encoding.forecast

    def examples(self, batches: Iterable[Array]) -> Array:
        """Scores serialized `tf.Example`s, given in batches."""
        function = self._module.signatures["examples"]
        (name,) = function.structured_input_signature[1]
        size = self._rows_at_once
        return _joined(
            function(**{name: tf.constant(batch[start : start + size])})[self._output]
            for batch in batches
            for start in range(0, len(batch), size)
        )


def _joined(parts: Iterable[tf.Tensor]) -> Array:
    arrays = [flat_quantiles(part.numpy()) for part in parts]
    return np.concatenate(arrays) if arrays else np.zeros([0], np.float32)
