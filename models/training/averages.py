"""An exponential moving average of all weights, and which weights of a fit are kept.

The moving statistics of batch normalisation are averaged like the weights that they belong to,
and val is evaluated with both: what is compared is what would be served.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from contracts.arrays import Array
from models.training.config import AverageSpec

Kept = Literal["raw", "average"]

AVERAGE_LOSS = "val_average_loss"
LOWER_LOSS = "val_lower_loss"


def average_decay(spec: AverageSpec, steps_per_epoch: int) -> float:
    """The share of the average that one step keeps."""
    if spec.decay is not None:
        return spec.decay
    if spec.epochs is None:
        raise ValueError("an average has a decay or a number of epochs")
    return math.exp(-1.0 / max(1.0, spec.epochs * steps_per_epoch))


class WeightAverage:
    """The average of the floating-point variables of a network.

    It starts as the network does. Step t keeps (1 + t) / (10 + t) of it at most, so that the
    random start does not outlast the first epochs.
    """

    def __init__(self, network: Any, decay: float) -> None:
        """Starts from the network's values.

        Args:
          network: Its weights, and the statistics of batch normalisation.
          decay: The share of the average that a step keeps.
        """
        self._decay = decay
        self._sources = [
            variable
            for variable in network.weights
            if tf.as_dtype(keras.backend.standardize_dtype(variable.dtype)).is_floating
        ]
        self._averages = [
            tf.Variable(
                tf.convert_to_tensor(variable),
                trainable=False,
                aggregation=tf.VariableAggregation.MEAN,
            )
            for variable in self._sources
        ]
        self._steps = tf.Variable(
            0.0, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )

    def update(self) -> None:
        """Moves the average towards the values of now."""
        self._steps.assign_add(1.0)
        decay = tf.minimum(self._decay, (1.0 + self._steps) / (10.0 + self._steps))
        for average, source in zip(self._averages, self._sources, strict=True):
            kept = tf.cast(decay, average.dtype)
            average.assign(kept * average + (1 - kept) * tf.convert_to_tensor(source))

    def swap(self) -> None:
        """Exchanges the network's values and the average."""
        for average, source in zip(self._averages, self._sources, strict=True):
            value = source.numpy()
            source.assign(average.numpy())
            average.assign(value)


class KeepBetter(keras.callbacks.Callback):
    """Evaluates raw and averaged weights on val, and keeps what was better.

    With early stopping it is the best of all epochs, otherwise the better of the last one.

    Attributes:
      kept: Which weights the network has after the fit.
      best_epoch: Their epoch, counted from 1.
    """

    def __init__(
        self, average: WeightAverage, measure: Callable[[], dict[str, float]], *, best_of_all: bool
    ) -> None:
        """Prepares the comparison.

        Args:
          average: Of the model's network.
          measure: Evaluates the model on val.
          best_of_all: Whether the best of all epochs is kept.
        """
        super().__init__()
        self.kept: Kept = "raw"
        self.best_epoch = 0
        self._average = average
        self._measure = measure
        self._best_of_all = best_of_all
        self._lowest = math.inf
        self._weights: Sequence[Array] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the loss of the average, and the lower of both, to `logs`."""
        logs = {} if logs is None else logs
        self._average.swap()
        averaged = self._measure()["loss"]
        self._average.swap()
        logs[AVERAGE_LOSS] = float(averaged)
        logs[LOWER_LOSS] = min(float(averaged), float(logs["val_loss"]))
        if logs[LOWER_LOSS] >= self._lowest and self._best_of_all:
            return
        self._lowest = logs[LOWER_LOSS]
        self.best_epoch = epoch + 1
        self.kept = "average" if logs[AVERAGE_LOSS] < logs["val_loss"] else "raw"
        if self._best_of_all:
            self._weights = self._values()

    def on_train_end(self, logs: Any = None) -> None:
        """Gives the network the weights that are kept."""
        del logs
        if self._weights is not None:
            self.model.network.set_weights(self._weights)
        elif self.kept == "average":
            self._average.swap()

    def _values(self) -> Sequence[Array]:
        if self.kept == "raw":
            weights: Sequence[Array] = self.model.network.get_weights()
            return weights
        self._average.swap()
        weights = self.model.network.get_weights()
        self._average.swap()
        return weights
