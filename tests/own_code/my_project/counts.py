"""A task of a user's own: counts, learned by Poisson's loss."""

import numpy as np

from models.tasks import Metric, NumberTask


def deviance(labels, scores):
    """Poisson's deviance of each row."""
    expected = np.maximum(np.asarray(scores, np.float64), 1e-6)
    ratio = np.where(labels > 0, labels / expected, 1.0)
    return 2 * (labels * np.log(ratio) - labels + expected)


def absolute(labels, scores):
    return np.abs(np.asarray(scores, np.float64) - labels)


class Counts(NumberTask):
    main_metric = "deviance"
    metrics = {"deviance": Metric(False, deviance), "distance": Metric(False, absolute)}
    tfma_metrics = {
        "predictions": tuple((name, "RowMetric", {}) for name in ("deviance", "distance", "rows"))
    }

    def invalid_labels(self, labels):
        return ~np.isfinite(labels) | (labels < 0)

    def head(self, output, layers):
        return layers.Dense(1, activation="exponential", dtype="float32", name="prediction")

    def loss(self, output, keras_module):
        return keras_module.losses.Poisson()

    def training_metrics(self, metrics):
        return [metrics.MeanAbsoluteError(name="mae")]

    def constant_guess_loss(self, labels, classes, weights):
        mean = max(float(np.mean(labels)), 1e-6)
        return mean - float(np.mean(labels)) * np.log(mean)

    def val_metrics(self, labels, predictions, point):
        return {"deviance": float(deviance(labels, predictions).mean())}
