"""What training minimises where the config asks for more than the task's loss.

Val is always evaluated with the task's own loss, so that runs can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from contracts.errors import ModelError
from models.networks import OutputSpec
from models.networks.parts import FEATURES_LAYER
from models.tasks import find_task
from models.training.config import CurriculumSpec, HardExamplesSpec, MixupSpec, TrainingSpec
from models.training.members import MemberPredictions, Members, OneMember, find_members

RowLoss = Callable[[Any, Any], Any]

_EPSILON = 1e-7


def build_objective(
    network: Any,
    output: OutputSpec,
    spec: TrainingSpec,
    steps_per_epoch: int,
    *,
    mixes: bool = False,
) -> Objective | None:
    """Gives what is minimised; None where it is the task's own loss and nothing more.

    Args:
      network: What is trained.
      output: What it predicts.
      spec: What is minimised.
      steps_per_epoch: For the curriculum.
      mixes: Whether the rows of a batch come mixed already.

    Raises:
      ModelError: mixup, and the network has no layer of all features to mix at.
    """
    asked = (spec.teacher, spec.mixup, spec.hard_examples, spec.curriculum)
    if not (spec.loss.is_own or mixes or any(asked)):
        return None
    return Objective(
        row_loss=_row_loss(output, spec),
        mixing=None if spec.mixup is None else Mixing(network, spec.mixup),
        hard_examples=spec.hard_examples,
        curriculum=spec.curriculum,
        steps_per_epoch=steps_per_epoch,
    )


def _row_loss(output: OutputSpec, spec: TrainingSpec) -> RowLoss:
    task, settings = find_task(output.task), spec.loss
    if settings.is_own:
        gamma = settings.gamma if settings.kind == "focal" else 0.0
        loss = task.shaped_loss(output, keras, settings.label_smoothing, gamma)
    elif spec.teacher is not None:
        loss = task.mixed_loss(output, keras)
    else:
        loss = task.loss(output, keras)
    if isinstance(loss, keras.losses.Loss):
        loss.reduction = None
    return lambda label, predicted: tf.reshape(loss(label, predicted), [-1])


class Mixing:
    """Mixes each row with the one before it in the batch; batches are shuffled."""

    def __init__(self, network: Any, spec: MixupSpec) -> None:
        """Cuts the network at its layer of all features; both halves share its weights."""
        self._alpha = spec.alpha
        try:
            joined = network.get_layer(FEATURES_LAYER).output
            self._encoder = keras.Model(network.input, joined)
            self.members = find_members(network, joined)
        except ValueError as error:
            raise ModelError(
                "training.mixup cannot mix the rows of this network",
                where="training.mixup",
                expected="a network all of whose features go through one layer `features`",
                received=str(error).splitlines()[0],
                fix="remove training.mixup, or build the network by "
                "models.networks.joined_features",
            ) from error

    def __call__(self, features: Any) -> tuple[MemberPredictions, Any]:
        """Predicts mixtures, and gives the share of its own row that each has."""
        encoded = self._encoder(features, training=True)
        shape = tf.shape(encoded)[:1]
        first, second = (tf.random.gamma(shape, self._alpha) for _ in range(2))
        share = (first + _EPSILON) / (first + second + 2 * _EPSILON)
        share = tf.maximum(share, 1.0 - share)
        column = tf.cast(tf.reshape(share, [-1, *[1] * (encoded.shape.rank - 1)]), encoded.dtype)
        mixed = column * encoded + (1 - column) * tf.roll(encoded, 1, axis=0)
        return self.members.predict(mixed), share


@dataclass(eq=False)
class Objective:
    """The loss of a batch from the losses of its rows.

    Attributes:
      row_loss: From labels and predictions to a loss a row.
      mixing: Mixup, where rows are mixed.
      hard_examples: How rows are weighed by their own loss.
      curriculum: Which rows count in the first epochs.
      steps_per_epoch: For the curriculum.
    """

    row_loss: RowLoss
    mixing: Mixing | None
    hard_examples: HardExamplesSpec | None
    curriculum: CurriculumSpec | None
    steps_per_epoch: int

    def __post_init__(self) -> None:
        """Starts to count steps."""
        self._step = tf.Variable(
            0.0, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )

    def evaluate(
        self,
        members: Members | OneMember,
        features: Any,
        label: Any,
        weight: Any,
        own_share: Any = None,
    ) -> tuple[Any, Any]:
        """Gives the network's predictions and the loss of its members, without penalties.

        Args:
          members: Of the network that is trained.
          features: By name.
          label: Of the batch.
          weight: A weight a row; None weighs all alike.
          own_share: Of rows that come mixed with the one before them: how much of each is its
            own. Such rows are not mixed again.
        """
        share = own_share
        if self.mixing is None or share is not None:
            predicted = members.predict(features)
        else:
            predicted, share = self.mixing(features)
        rows = self.row_loss(members.repeat(label), predicted.members)
        if share is not None:
            share, other = members.repeat(share), members.repeat(tf.roll(label, 1, axis=0))
            rows = share * rows + (1 - share) * self.row_loss(other, predicted.members)
        # Each member has hard and easy rows of its own, as if it learned alone.
        weights = tf.reshape(self._weights(members.split(tf.stop_gradient(rows))), [-1])
        if weight is not None:
            weights *= tf.cast(tf.reshape(members.repeat(weight), [-1]), tf.float32)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return predicted.mean, tf.reduce_mean(rows * weights) / replicas

    def _weights(self, rows: Any) -> Any:
        weights = tf.ones_like(rows)
        if self.hard_examples is not None:
            weights *= hard_weights(rows, self.hard_examples)
        if self.curriculum is not None:
            epoch = self._step / self.steps_per_epoch
            weights *= easy_weights(rows, epoch, self.curriculum)
            self._step.assign_add(1.0)
        return weights


def hard_weights(rows: Any, spec: HardExamplesSpec) -> Any:
    """A weight for each row's loss, within bounds before their mean is made one.

    Args:
      rows: `[..., batch]`; each batch has weights of its own.
      spec: How much the loss counts.
    """
    ratio = (rows + _EPSILON) / (_batch_mean(rows) + _EPSILON)
    weights = tf.clip_by_value(tf.pow(ratio, spec.power), 1.0 / spec.limit, spec.limit)
    return weights / _batch_mean(weights)


def easy_weights(rows: Any, epoch: Any, spec: CurriculumSpec) -> Any:
    """Zero for the rows that do not count yet; the mean of each batch stays one."""
    share = tf.minimum(1.0, spec.start + (1.0 - spec.start) * epoch / spec.epochs)
    count = tf.shape(rows)[-1]
    easy = tf.cast(tf.math.ceil(share * tf.cast(count, tf.float32)), tf.int32)
    place = tf.clip_by_value(easy - 1, 0, count - 1)
    bound = tf.gather(tf.sort(rows), place, axis=-1)[..., None]
    weights = tf.cast(rows <= bound, tf.float32)
    return weights / _batch_mean(weights)


def _batch_mean(rows: Any) -> Any:
    return tf.reduce_mean(rows, axis=-1, keepdims=True)
