"""Two classes: the probability of the second one, and a decision at a threshold."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.arrays import Array
from models.tasks.task import ClassTask, Metric

if TYPE_CHECKING:
    from models.tasks.output import OutputSpec


class Binary(ClassTask):
    """See the module."""

    form = "binary"
    main_metric = "roc_auc"
    mixes_targets = True
    metrics = MappingProxyType(
        {
            "roc_auc": Metric(True),
            "pr_auc": Metric(True),
            "f1": Metric(True),
            "precision": Metric(True),
            "recall": Metric(True),
            "accuracy": Metric(True),
            "log_loss": Metric(False),
            # The ratio of the mean prediction to the mean label.
            "calibration": Metric(None),
        }
    )
    tfma_metrics = MappingProxyType(
        {
            "probabilities": tuple(
                (name, "RowMetric", {})
                for name in ("roc_auc", "pr_auc", "log_loss", "calibration", "rows")
            ),
            "decisions": tuple(
                (name, "RowMetric", {})
                for name in (
                    "f1",
                    "precision",
                    "recall",
                    "accuracy",
                    "true_positives",
                    "false_positives",
                    "true_negatives",
                    "false_negatives",
                )
            ),
        }
    )
    output_in_words = (
        "The output is [rows, 1]: the probability of the second of `classes`. Decide for it "
        "where that is at least `threshold`, else for the first."
    )

    def label_error(self, classes: tuple[Any, ...] | None) -> str | None:
        """Two classes, or 0 and 1 where none are listed."""
        if classes is None or len(classes) == 2:
            return None
        return f"a binary task has two classes, label.classes has {len(classes)}"

    def head(self, output: OutputSpec, layers: Any) -> Callable[[Any], Any]:
        """One sigmoid."""
        head: Callable[[Any], Any] = layers.Dense(
            1, activation="sigmoid", dtype="float32", name="probability"
        )
        return head

    def loss(self, output: OutputSpec, keras_module: Any) -> Any:
        """Cross-entropy."""
        return keras_module.losses.BinaryCrossentropy()

    def shaped_loss(
        self, output: OutputSpec, keras_module: Any, smoothing: float, gamma: float
    ) -> Any:
        """Cross-entropy, each row weighed by (1 - P(its class)) to the power of gamma."""
        if not gamma:
            return keras_module.losses.BinaryCrossentropy(label_smoothing=smoothing)
        return keras_module.losses.BinaryFocalCrossentropy(gamma=gamma, label_smoothing=smoothing)

    def training_metrics(self, metrics: Any) -> list[Any]:
        """The areas under both curves."""
        return [metrics.AUC(name="roc_auc"), metrics.AUC(curve="PR", name="pr_auc")]

    def val_metrics(self, labels: Array, predictions: Array, point: Any) -> dict[str, float | None]:
        """Ranking, calibration, and decisions at the operating point."""
        from sklearn import metrics

        if point is None:
            raise ValueError("a binary task is scored at an operating point")
        both = len(np.unique(labels)) == 2
        wide = predictions.astype(np.float64)
        hits, missed = point.true_positives, point.false_negatives
        called = hits + point.false_positives
        return {
            "roc_auc": float(metrics.roc_auc_score(labels, wide)) if both else None,
            "pr_auc": float(metrics.average_precision_score(labels, wide)) if both else None,
            "log_loss": float(metrics.log_loss(labels, wide, labels=[0, 1])),
            "calibration": _ratio(float(wide.sum()), float(labels.sum())),
            "precision": _ratio(hits, called),
            "recall": _ratio(hits, hits + missed),
            "f1": _ratio(2 * hits, called + hits + missed),
            "accuracy": (hits + point.true_negatives) / len(labels),
            "cost": point.cost,
        }

    def answer(self, predicted: Any, classes: Any, threshold: float | None) -> dict[str, Any]:
        """`probabilities` of the second class, `classes` and `decisions` at the threshold."""
        import tensorflow as tf

        probability = tf.reshape(predicted, [-1])
        positive = probability >= tf.constant(threshold, tf.float32)
        return {
            "probabilities": probability,
            "classes": tf.gather(classes, tf.cast(positive, tf.int32)),
            "decisions": tf.cast(positive, tf.float32),
        }

    def baseline_scores(self, scores: Array) -> Array:
        """P(second class) alone."""
        return scores[:, 1].astype(np.float32)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
