"""What val says after each epoch.

Keras would make an iterator anew each time, which costs more than to evaluate a small val.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from models.training.distribution import is_distributed

_HELD_BATCHES = 4


class Validation(keras.callbacks.Callback):
    """Adds val's loss and metrics to the logs of an epoch, for the callbacks that come after."""

    def __init__(self, batches: tf.data.Dataset) -> None:
        """Holds the batches in memory, where they are few.

        Args:
          batches: Of val, in any order.
        """
        super().__init__()
        few = 0 <= int(batches.cardinality()) <= _HELD_BATCHES
        # Split over replicas, a last batch of one row would leave some with none, whose mean is
        # no number: each replica evaluates all of val.
        self._held = list(batches) if few else batches if is_distributed() else None
        self._batches = batches

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluates the model."""
        del epoch
        logs = {} if logs is None else logs
        logs.update({f"val_{name}": value for name, value in self.measure().items()})

    def measure(self) -> dict[str, float]:
        """Gives the loss and the metrics that the model has now."""
        if self._held is None:
            whole: dict[str, float] = self.model.evaluate(
                self._batches, verbose=0, return_dict=True
            )
            return whole
        self.model.make_test_function()
        self.model.reset_metrics()
        results: dict[str, Any] = {}
        for batch in self._held:
            results = self.model.test_function(iter([batch]))
        return {name: float(value) for name, value in results.items()}
