"""A forecast: the label's next steps, each as a point and as quantiles.

A prediction is `[rows, quantiles * horizon]`: the steps of the lowest quantile first. The
levels lie around the median, which is the point forecast. They cannot cross: each level is the
one nearer to the median and a distance of at least 0 beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.arrays import Array
from models.tasks.task import Metric, Task, number_output

if TYPE_CHECKING:
    from models.tasks.output import OutputSpec


class Forecast(Task):
    """See the module."""

    form = "forecast"
    main_metric = "mae"
    score_output = "quantiles"
    takes_steps = True
    metrics = MappingProxyType(
        {
            "mae": Metric(False),
            "rmse": Metric(False),
            "mase": Metric(False),
            "smape": Metric(False),
            "weighted_quantile_loss": Metric(False),
            # The share of values between the outermost quantiles.
            "coverage": Metric(None),
        }
    )
    tfma_metrics = MappingProxyType(
        {"predictions": tuple((name, "RowMetric", {}) for name in ("mae", "rmse", "smape", "rows"))}
    )
    output_in_words = (
        "The output is [rows, quantiles * horizon]: all steps of the lowest quantile, then those "
        "of the next one, in the label's own unit. The middle quantile is the point forecast."
    )

    def label_error(self, classes: tuple[Any, ...] | None) -> str | None:
        """A number has no classes."""
        return None if classes is None else f"a {self.name} task has no label.classes"

    def invalid_labels(self, labels: Array) -> Array:
        """Rows in which a step is missing or infinite."""
        gaps: Array = ~np.isfinite(labels.reshape(len(labels), -1))
        invalid: Array = np.any(gaps, axis=1)
        return invalid

    def output(self, classes: int, labels: Array) -> OutputSpec:
        """The horizon, and mean and deviation of the label on train."""
        return replace(number_output(self.name, labels), horizon=labels.shape[1])

    def head(self, output: OutputSpec, layers: Any) -> Callable[[Any], Any]:
        """A dense layer for the median and one for each level's distance from the next."""
        middle = len(output.quantiles) // 2

        def dense(name: str, bias: str) -> Any:
            return layers.Dense(output.horizon, dtype="float32", name=name, bias_initializer=bias)

        def head(tensor: Any) -> Any:
            levels = [dense("median", "zeros")(tensor)]
            for place in range(1, middle + 1):
                below, above = (
                    # Levels that begin apart have a gradient.
                    layers.ReLU(dtype="float32")(dense(f"{side}_{place}", "ones")(tensor))
                    for side in ("below", "above")
                )
                lowest = layers.Subtract(dtype="float32")([levels[0], below])
                highest = layers.Add(dtype="float32")([levels[-1], above])
                levels = [lowest, *levels, highest]
            if len(levels) == 1:
                return levels[0]
            return layers.Concatenate(dtype="float32", name="levels")(levels)

        return head

    def ports(self, inputs: Sequence[Any], output: OutputSpec) -> Sequence[Any]:
        """The history comes with the steps that the forecast starts from."""
        from models.encoders.windows.history import with_history

        return with_history(inputs, output)

    def finish(
        self, network: Any, inputs: Sequence[Any], output: OutputSpec, keras_module: Any
    ) -> Any:
        """Undoes the normalisation of each row's window, or of the label where there is none."""
        from models.encoders.windows.history import undo_normalisation

        return undo_normalisation(network, inputs, output, keras_module)

    def loss(self, output: OutputSpec, keras_module: Any) -> Any:
        """The mean pinball loss of all levels, in deviations of the label."""
        import tensorflow as tf

        levels = tf.reshape(tf.constant(output.quantiles, tf.float32), [1, -1, 1])

        def pinball(label: Any, predicted: Any) -> Any:
            predicted = tf.reshape(predicted, [-1, len(output.quantiles), output.horizon])
            label = tf.reshape(tf.cast(label, tf.float32), [-1, 1, output.horizon])
            error = (label - predicted) / output.deviation
            return tf.reduce_mean(tf.maximum(levels * error, (levels - 1) * error), axis=[1, 2])

        return pinball

    def training_metrics(self, metrics: Any) -> list[Any]:
        """The absolute error of the point forecast, in the label's unit."""

        def absolute_error(label: Any, predicted: Any) -> Any:
            import tensorflow as tf

            points = point_forecast(predicted, label.shape[1])
            return tf.reduce_mean(tf.abs(tf.cast(label, points.dtype) - points), axis=1)

        return [metrics.MeanMetricWrapper(absolute_error, name="mae")]

    def constant_guess_loss(
        self, labels: Array, classes: int, weights: list[float] | None
    ) -> float:
        """About the pinball loss of the median alone, in deviations of the label."""
        deviation = float(np.std(labels, dtype=np.float64)) or 1.0
        distances = np.abs(labels - np.median(labels, axis=0))
        return float(distances.mean(dtype=np.float64)) / 2 / deviation

    def val_metrics(self, labels: Array, predictions: Array, point: Any) -> dict[str, float | None]:
        """Errors of the point forecast."""
        points = point_forecast(predictions, labels.shape[1]).astype(np.float64)
        errors = points - labels
        return {
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt((errors**2).mean())),
            "smape": float(symmetric_errors(labels, points).mean()),
        }

    def answer(self, predicted: Any, classes: Any, threshold: float | None) -> dict[str, Any]:
        """`predictions` `[rows, horizon]` and `quantiles` `[rows, horizon, quantiles]`.

        `classes` are the levels of the quantiles.
        """
        import tensorflow as tf

        levels = len(classes)
        horizon = predicted.shape[1] // levels
        cube = tf.reshape(predicted, [-1, levels, horizon])
        return {
            "predictions": cube[:, levels // 2],
            "quantiles": tf.transpose(cube, [0, 2, 1]),
        }

    def constant(self, labels: Array, classes: int) -> tuple[Any, str]:
        """The label's mean at each step of the horizon."""
        return np.mean(labels, axis=0, dtype=np.float64), "the mean of train at each step"

    def baseline_loss(self, scores: Array, labels: Array) -> float:
        """The absolute error."""
        return float(np.abs(scores - labels).mean(dtype=np.float64))

    def baseline_scores(self, scores: Array) -> Array:
        """The point forecast: baseline models give no quantiles."""
        return scores.astype(np.float32)


def point_forecast(scores: Array, horizon: int) -> Array:
    """The middle quantile of each row, `[rows, horizon]`.

    Args:
      scores: Predictions `[rows, quantiles * horizon]`, or points alone.
      horizon: How many steps there are.
    """
    start = (scores.shape[1] // horizon // 2) * horizon
    return scores[:, start : start + horizon]


def quantile_cube(scores: Array, horizon: int) -> Array:
    """Predictions by level, `[rows, quantiles, horizon]`."""
    return scores.reshape(len(scores), -1, horizon)


def symmetric_errors(labels: Array, points: Array) -> Array:
    """Each row's mean of 2 |error| / (|label| + |forecast|): 0 where both are 0."""
    size = (np.abs(labels) + np.abs(points)).astype(np.float64)
    errors = np.abs(points - labels).astype(np.float64)
    shares: Array = np.divide(2 * errors, size, out=np.zeros_like(size), where=size > 0)
    rows: Array = shares.mean(axis=1)
    return rows
