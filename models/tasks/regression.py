"""A number, learned by its squared error in units of the variance of what is learned."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.arrays import Array
from models.tasks.label_scale import learned_error, undo_scale
from models.tasks.task import Metric, NumberTask

if TYPE_CHECKING:
    from models.tasks.output import OutputSpec


class Regression(NumberTask):
    """See the module."""

    main_metric = "r2"
    mixes_targets = True
    label_scales = ("standard", "log1p", "quantile")
    metrics = MappingProxyType({"rmse": Metric(False), "mae": Metric(False), "r2": Metric(True)})
    tfma_metrics = MappingProxyType(
        {"predictions": tuple((name, "RowMetric", {}) for name in ("rmse", "mae", "r2", "rows"))}
    )

    def head(self, output: OutputSpec, layers: Any) -> Callable[[Any], Any]:
        """A number in units of the deviation of what is learned, and then in the label's own."""
        dense = layers.Dense(1, dtype="float32", name="standardised")
        return lambda tensor: undo_scale(output, layers, dense(tensor))

    def loss(self, output: OutputSpec, keras_module: Any) -> Any:
        """One learning rate fits all labels."""
        import tensorflow as tf

        def standardised_error(label: Any, predicted: Any) -> Any:
            columns = tf.reshape(label, [-1, 1]), tf.reshape(predicted, [-1, 1])
            error = learned_error(output, *columns)
            return tf.reduce_mean(tf.square(error), axis=-1)

        return standardised_error

    def training_metrics(self, metrics: Any) -> list[Any]:
        """Both errors, in the label's unit."""
        return [metrics.RootMeanSquaredError(name="rmse"), metrics.MeanAbsoluteError(name="mae")]

    def constant_guess_loss(
        self, labels: Array, classes: int, weights: list[float] | None
    ) -> float:
        """The loss is in units of the label's variance."""
        return 1.0

    def val_metrics(self, labels: Array, predictions: Array, point: Any) -> dict[str, float | None]:
        """Errors, and the share of variance that is explained."""
        errors = predictions.astype(np.float64) - labels
        spread = float(((labels - labels.mean(dtype=np.float64)) ** 2).sum())
        return {
            "rmse": float(np.sqrt((errors**2).mean())),
            "mae": float(np.abs(errors).mean()),
            "r2": 1.0 - float((errors**2).sum()) / spread if spread else None,
        }
