"""Distillation: a smaller student of the same kind learns what the candidate answers."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from models.compression.spec import DistilledSpec
from models.compression.training_artifacts import Opened
from models.data.dataset import Split, ordered_batches, train_batches
from models.data.labels import class_weights
from models.data.targets import with_targets
from models.data.transformed import output_spec
from models.data.unconverted import unconverted
from models.networks import InputSpec, OutputSpec, build_network
from models.tasks import find_task
from models.tasks.label_scale import learned_error
from models.tasks.task import Form
from models.training.augmentation import Augmentation
from models.training.config import StoppingSpec, TrainingSpec
from models.training.fitting import MonitoredModel, fit
from models.training.learning import predict
from models.training.optimizers import build_optimizer

_LOG = logging.getLogger(__name__)

_EPSILON = 1e-6
_PATIENCE = 3


def distil(opened: Opened, teacher: Any, spec: DistilledSpec) -> tuple[Any, list[dict[str, float]]]:
    """Trains a student on labels and on the teacher's answers.

    Returns:
      The student, in Keras 3, and the history.
    """
    trainer = opened.artifacts.trainer
    problem = trainer.problem
    keras.utils.set_random_seed(trainer.seed)
    train, val = (
        _with_answers(split, teacher) for split in (opened.split("train"), opened.split("val"))
    )
    output = output_spec(problem, train.labels)
    network = trainer.network.student(spec.scale, spec.members)
    student = build_network(network, student_inputs(opened.inputs, spec.scale), output, keras)
    training = _training(trainer.training, spec)
    steps = -(-train.rows // training.batch_size)
    # The teacher has answered for each row as it is: rows are changed, but not mixed.
    augmentation = Augmentation(opened.inputs, mixing=False)
    model = MonitoredModel(student, augmentation=augmentation)
    model.compile(
        optimizer=build_optimizer(training, steps, student),
        loss=DistillationLoss(find_task(problem.task).form, spec, output),
        jit_compile=False,
    )
    weights = class_weights(problem, train.labels, training.class_weights)
    with tempfile.TemporaryDirectory() as folder:
        outcome = fit(
            model,
            _taught(
                train,
                train_batches(train, training.batch_size, trainer.seed, weights, packed=True),
            ),
            _taught(val, ordered_batches(val, packed=True)),
            training,
            Path(folder),
        )
    _LOG.info("the student has %d parameters", student.count_params())
    return student, outcome.history


def student_inputs(inputs: list[InputSpec], scale: float) -> list[InputSpec]:
    """The student's inputs: the same, with narrower embeddings and encoders."""
    return [_student_input(port, scale) for port in inputs]


def _student_input(port: InputSpec, scale: float) -> InputSpec:
    if port.kind == "embedding":
        dimension = max(1, round(port.embedding_dimension() * scale))
        return dataclasses.replace(port, dimension=dimension)
    encoding = port.encoding
    if encoding.student is None:
        return port
    own = dataclasses.replace(encoding, encode=encoding.student(scale), pretrained=None)
    return dataclasses.replace(port, own=own)


def _training(training: TrainingSpec, spec: DistilledSpec) -> TrainingSpec:
    optimizer = training.optimizer.model_copy(update={"learning_rate": spec.learning_rate})
    schedule = training.schedule.model_copy(
        update={"kind": "cosine", "warmup_epochs": min(1.0, spec.epochs / 4)}
    )
    return training.model_copy(
        update={
            "epochs": spec.epochs,
            "optimizer": optimizer,
            "schedule": schedule,
            "early_stopping": StoppingSpec(patience=_PATIENCE),
        }
    )


def _with_answers(split: Split, teacher: Any) -> Split:
    """The teacher answers once, and not in every epoch."""
    answers = predict(teacher, split)
    return with_targets(split, answers.reshape([len(answers), -1]))


@unconverted
def _taught(split: Split, batches: tf.data.Dataset) -> tf.data.Dataset:
    """Puts the teacher's answer beside each label: `[batch, 1 + outputs]`.

    The label of a forecast has a column for each step.
    """

    def add(matrices: Any, label: tf.Tensor, *weight: tf.Tensor) -> tuple[Any, ...]:
        column = tf.cast(tf.expand_dims(label, 1) if label.shape.rank == 1 else label, tf.float32)
        both = tf.concat([column, split.targets(matrices)], axis=1)
        return split.features(matrices), both, *weight

    return batches.map(add, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


class DistillationLoss(keras.losses.Loss):
    """The labels' loss and the teacher's, mixed; gradients of both are of one size."""

    def __init__(self, task: Form, spec: DistilledSpec, output: OutputSpec) -> None:
        super().__init__(name="distillation", reduction="sum_over_batch_size")
        self._task = task
        self._spec = spec
        self._output = output

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Gives a loss per row; `y_true` has the label and then the teacher's answer."""
        columns = self._output.horizon or 1
        label, taught = y_true[:, :columns], y_true[:, columns:]
        temperature, alpha = self._spec.temperature, self._spec.alpha
        if self._task == "forecast":
            hard = find_task(self._output.task).loss(self._output, keras)(label, y_pred)
            soft = tf.reduce_mean(tf.abs(taught - y_pred), axis=1) / self._output.deviation
            return alpha * hard + (1 - alpha) * soft
        if self._task == "regression":
            hard = tf.square(learned_error(self._output, label, y_pred))
            soft = tf.square(learned_error(self._output, taught, y_pred))
            return tf.reduce_mean(alpha * hard + (1 - alpha) * soft, axis=-1)
        if self._task == "binary":
            hard = keras.losses.binary_crossentropy(label, y_pred)
            logits = _logit(y_pred) / temperature
            target = tf.sigmoid(_logit(taught) / temperature)
            soft = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)[:, 0]
        else:
            hard = keras.losses.sparse_categorical_crossentropy(label[:, 0], y_pred)
            target = tf.nn.softmax(_log(taught) / temperature)
            logits = _log(y_pred) / temperature
            soft = tf.nn.softmax_cross_entropy_with_logits(labels=target, logits=logits)
        # The gradient of softened answers falls with the square of the temperature.
        return alpha * hard + (1 - alpha) * temperature**2 * soft


def _log(probability: Any) -> Any:
    return tf.math.log(tf.clip_by_value(probability, _EPSILON, 1.0))


def _logit(probability: Any) -> Any:
    clipped = tf.clip_by_value(probability, _EPSILON, 1.0 - _EPSILON)
    return tf.math.log(clipped) - tf.math.log1p(-clipped)
