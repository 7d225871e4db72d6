"""What a task decides, from the label to the answers: one class in one module each.

Importing this module imports neither TensorFlow nor Keras: the config is checked with it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from contracts.arrays import Array
from models.tasks.output import OutputSpec

Form = Literal["binary", "multiclass", "regression", "forecast"]
"""What a prediction is: P(second class), a probability a class, a number, or the next steps."""

TfmaMetric = tuple[str, str, dict[str, Any]]
"""A metric's name here, its class, its arguments."""


@dataclass(frozen=True)
class Metric:
    """A metric that is computed with intervals, for every slice.

    Attributes:
      higher_is_better: None marks one that is best at some value, such as 1, so that only a
        bound makes sense.
      rows: From labels and scores to a value a row, whose mean is the metric; None for the
        metrics that evidence/measures.py computes by their names.
    """

    higher_is_better: bool | None
    rows: Callable[[Array, Array], Array] | None = None


class Task(ABC):
    """A task; its classes are found by models/tasks/registry.py.

    Attributes:
      name: As the config has it.
      form: What a prediction is.
      metrics: By name, in the order in which they are reported.
      main_metric: What candidates are compared by, where the config names none.
      score_output: The served output that holds the prediction.
      tfma_metrics: What TFMA computes, by served output.
      label_scales: What may be learned of the label.
      takes_steps: Whether the label is a list of numbers, `label.steps` of them.
      output_in_words: What a file without the transform graph gives, for `artifact.json`.
      mixes_targets: Whether a network can learn a mixture of a label and a prediction of it.
    """

    form: ClassVar[Form]
    metrics: ClassVar[Mapping[str, Metric]]
    main_metric: ClassVar[str]
    score_output: ClassVar[str]
    tfma_metrics: ClassVar[Mapping[str, tuple[TfmaMetric, ...]]]
    output_in_words: ClassVar[str]
    label_scales: ClassVar[tuple[str, ...]] = ("standard",)
    takes_steps: ClassVar[bool] = False
    mixes_targets: ClassVar[bool] = False

    def __init__(self, name: str = "") -> None:
        self.name = name or self.form

    @property
    def has_classes(self) -> bool:
        """Whether the label is a class; otherwise it is a number."""
        return self.form in ("binary", "multiclass")

    @abstractmethod
    def label_error(self, classes: tuple[Any, ...] | None) -> str | None:
        """Says what is wrong with `label.classes`; None where nothing is."""

    @abstractmethod
    def invalid_labels(self, labels: Array) -> Array:
        """Marks the rows whose label cannot be learned from."""

    @abstractmethod
    def output(self, classes: int, labels: Array) -> OutputSpec:
        """What a network predicts; `labels` are train's."""

    @abstractmethod
    def head(self, output: OutputSpec, layers: Any) -> Callable[[Any], Any]:
        """The last layers of a network, in float32 also under mixed precision."""

    def ports(self, inputs: Sequence[Any], output: OutputSpec) -> Sequence[Any]:
        """The inputs of a network, with what the task asks of their encoders."""
        return inputs

    def finish(
        self, network: Any, inputs: Sequence[Any], output: OutputSpec, keras_module: Any
    ) -> Any:
        """What the task puts behind a network, where the head alone cannot."""
        return network

    @abstractmethod
    def loss(self, output: OutputSpec, keras_module: Any) -> Any:
        """The loss of training, under `keras` or `tf_keras`."""

    def shaped_loss(
        self, output: OutputSpec, keras_module: Any, smoothing: float, gamma: float
    ) -> Any:
        """A loss with smoothed labels, and with focal weights where `gamma` is above 0."""
        raise NotImplementedError(f"the task {self.name} has no label smoothing or focal loss")

    def mixed_targets(self, labels: Array, predicted: Array, weight: float) -> Array:
        """Gives `[rows, width]`: labels and, by `weight`, predictions in the network's form."""
        mixed: Array = (1 - weight) * labels + weight * predicted
        return mixed[:, None].astype(np.float32)

    def mixed_loss(self, output: OutputSpec, keras_module: Any) -> Any:
        """The loss of training on mixed targets."""
        return self.loss(output, keras_module)

    @abstractmethod
    def training_metrics(self, metrics: Any) -> list[Any]:
        """Keras's metrics of each epoch; `metrics` is its module."""

    @abstractmethod
    def constant_guess_loss(
        self, labels: Array, classes: int, weights: list[float] | None
    ) -> float:
        """The loss on train of always predicting the label's distribution."""

    @abstractmethod
    def val_metrics(self, labels: Array, predictions: Array, point: Any) -> dict[str, float | None]:
        """Metrics on val; one that cannot be computed is None.

        `point` is the operating point; binary only.
        """

    @abstractmethod
    def answer(self, predicted: Any, classes: Any, threshold: float | None) -> dict[str, Any]:
        """The outputs that a client sees, as tensors; `classes` are the label's values."""

    def constant(self, labels: Array, classes: int) -> tuple[Any, str]:
        """What the constant baseline model predicts, and in words."""
        counts = np.bincount(labels.astype(np.int64), minlength=classes)
        return counts / counts.sum(), "the classes' shares on train"

    def baseline_loss(self, scores: Array, labels: Array) -> float:
        """The loss by which val chooses among baseline models."""
        chosen = scores[np.arange(len(labels)), labels.astype(np.int64)]
        return float(-np.log(np.maximum(chosen, 1e-15)).mean())

    def baseline_scores(self, scores: Array) -> Array:
        """A baseline model's predictions in the form of the network's."""
        return scores.astype(np.float32)


class ClassTask(Task):
    """A task whose label is a class."""

    score_output = "probabilities"

    def invalid_labels(self, labels: Array) -> Array:
        """An id below 0 is none of the classes."""
        return labels < 0

    def output(self, classes: int, labels: Array) -> OutputSpec:
        """The number of classes is all that a network needs to know."""
        return OutputSpec(self.name, classes=classes)

    def constant_guess_loss(
        self, labels: Array, classes: int, weights: list[float] | None
    ) -> float:
        """The entropy of the classes, weighted as training is."""
        counts = np.bincount(labels.astype(np.int64), minlength=classes)
        mass = counts * (1.0 if weights is None else np.asarray(weights))
        share = mass / mass.sum()
        logs = np.log(share, out=np.zeros_like(share), where=share > 0)
        return float(-(mass * logs).sum() / len(labels))


def number_output(task: str, labels: Array) -> OutputSpec:
    """The output of a task on numbers: mean and deviation of the label on train."""
    deviation = float(np.std(labels, dtype=np.float64))
    return OutputSpec(
        task,
        mean=float(np.mean(labels, dtype=np.float64)),
        deviation=deviation if deviation > 0 and math.isfinite(deviation) else 1.0,
    )


class NumberTask(Task):
    """A task whose label is a number: regression, and what users derive from it."""

    form = "regression"
    score_output = "predictions"
    output_in_words = "The output is [rows, 1]: the predicted number, in the label's own unit."

    def label_error(self, classes: tuple[Any, ...] | None) -> str | None:
        """A number has no classes."""
        return None if classes is None else f"a {self.name} task has no label.classes"

    def invalid_labels(self, labels: Array) -> Array:
        """What is missing or infinite."""
        return ~np.isfinite(labels)

    def output(self, classes: int, labels: Array) -> OutputSpec:
        """Mean and deviation of the label on train."""
        return number_output(self.name, labels)

    def answer(self, predicted: Any, classes: Any, threshold: float | None) -> dict[str, Any]:
        """`predictions`."""
        import tensorflow as tf

        return {self.score_output: tf.reshape(predicted, [-1])}

    def constant(self, labels: Array, classes: int) -> tuple[Any, str]:
        """The label's mean."""
        return np.mean(labels, dtype=np.float64), "the mean of train"

    def baseline_loss(self, scores: Array, labels: Array) -> float:
        """The squared error."""
        return float(np.square(scores - labels).mean())

    def baseline_scores(self, scores: Array) -> Array:
        """One number a row."""
        return scores.reshape(-1).astype(np.float32)
