"""Several classes: a probability each, and the most probable one."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.arrays import Array
from models.tasks.task import ClassTask, Metric

if TYPE_CHECKING:
    from models.tasks.output import OutputSpec


class Multiclass(ClassTask):
    """See the module."""

    form = "multiclass"
    main_metric = "accuracy"
    mixes_targets = True
    metrics = MappingProxyType(
        {
            "accuracy": Metric(True),
            "macro_f1": Metric(True),
            "weighted_f1": Metric(True),
            "log_loss": Metric(False),
        }
    )
    tfma_metrics = MappingProxyType(
        {
            "probabilities": (
                ("accuracy", "ClassMetric", {}),
                ("macro_f1", "ClassMetric", {}),
                ("weighted_f1", "ClassMetric", {}),
                ("log_loss", "SparseCategoricalCrossentropy", {}),
                ("confusion", "MultiClassConfusionMatrixAtThresholds", {"thresholds": [0.0]}),
                ("rows", "ExampleCount", {}),
            )
        }
    )
    output_in_words = "The output is [rows, classes]: the probabilities in the order of `classes`."

    def label_error(self, classes: tuple[Any, ...] | None) -> str | None:
        """The classes are listed."""
        if classes is not None and len(classes) >= 2:
            return None
        return "a multiclass task needs label.classes, two or more of them"

    def head(self, output: OutputSpec, layers: Any) -> Callable[[Any], Any]:
        """A softmax over the classes."""
        head: Callable[[Any], Any] = layers.Dense(
            output.classes, activation="softmax", dtype="float32", name="probabilities"
        )
        return head

    def loss(self, output: OutputSpec, keras_module: Any) -> Any:
        """Cross-entropy of class ids."""
        return keras_module.losses.SparseCategoricalCrossentropy()

    def shaped_loss(
        self, output: OutputSpec, keras_module: Any, smoothing: float, gamma: float
    ) -> Any:
        """Cross-entropy, each class weighed by (1 - its probability) to the power of gamma."""
        losses, classes = keras_module.losses, output.classes

        def rows(label: Any, predicted: Any) -> Any:
            import tensorflow as tf

            ids = tf.reshape(tf.cast(label, tf.int32), [-1])
            shares = tf.one_hot(ids, classes, dtype=predicted.dtype)
            if not gamma:
                return losses.categorical_crossentropy(shares, predicted, label_smoothing=smoothing)
            return losses.categorical_focal_crossentropy(
                shares, predicted, alpha=1.0, gamma=gamma, label_smoothing=smoothing
            )

        return rows

    def mixed_targets(self, labels: Array, predicted: Array, weight: float) -> Array:
        """A share for each class."""
        mixed = weight * predicted.astype(np.float32)
        mixed[np.arange(len(labels)), labels.astype(np.int64)] += 1 - weight
        return mixed

    def mixed_loss(self, output: OutputSpec, keras_module: Any) -> Any:
        """Cross-entropy of shares."""
        return keras_module.losses.CategoricalCrossentropy()

    def training_metrics(self, metrics: Any) -> list[Any]:
        """The accuracy."""
        return [metrics.SparseCategoricalAccuracy(name="accuracy")]

    def val_metrics(self, labels: Array, predictions: Array, point: Any) -> dict[str, float | None]:
        """Accuracy, F1 over the classes, log loss."""
        from sklearn import metrics

        wide = predictions.astype(np.float64)
        wide /= wide.sum(axis=1, keepdims=True)
        classes = wide.argmax(axis=1)

        def f1(average: str) -> float:
            return float(metrics.f1_score(labels, classes, average=average, zero_division=0))

        return {
            "accuracy": float((classes == labels).mean()),
            "macro_f1": f1("macro"),
            "weighted_f1": f1("weighted"),
            "log_loss": float(metrics.log_loss(labels, wide, labels=list(range(wide.shape[1])))),
        }

    def answer(self, predicted: Any, classes: Any, threshold: float | None) -> dict[str, Any]:
        """`probabilities`, `classes` and the winner's probability as `scores`."""
        import tensorflow as tf

        return {
            "probabilities": predicted,
            "classes": tf.gather(classes, tf.argmax(predicted, axis=1)),
            "scores": tf.reduce_max(predicted, axis=1),
        }
