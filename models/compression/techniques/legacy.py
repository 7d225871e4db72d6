"""The network rebuilt under tf_keras, for tools that know no other Keras, and back again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from itertools import zip_longest
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from contracts.errors import ModelError
from models.compression.spec import FineTuneSpec
from models.compression.techniques.encoder_rates import EncoderAdamW, hold_encoders
from models.compression.training_artifacts import Opened
from models.data.dataset import Split, ordered_batches, train_batches
from models.data.labels import class_weights
from models.data.targets import with_targets
from models.data.transformed import output_spec
from models.data.unconverted import unconverted
from models.networks import OutputSpec, build_network
from models.tasks import find_task
from models.training.learning import predict

# A network with other weights, and an entry for each epoch.
Weights = tuple[Any, list[dict[str, float]]]

_CHECKED_ROWS = 256
_CLOSE = 1e-4
_CLIP_NORM = 1.0
_PATIENCE = 2


@dataclass(frozen=True)
class Bench:
    """A network under tf_keras, and what it is trained on with.

    Attributes:
      opened: The training artifacts.
      model: The network, with the weights of the Keras 3 one; it has no nested
        models, which tools do not look into.
      train: The split to learn from. Where the candidate had a teacher, its own answers are
        mixed with the labels.
      val: The split to stop on, by its labels.
      output: What the network predicts.
      shares: By layer of an encoder that started from other weights, its learning rate as a share
        of that of all others.
    """

    opened: Opened
    model: Any
    train: Split
    val: Split
    output: OutputSpec
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def batch_size(self) -> int:
        """Rows a step, as in training."""
        return self.opened.artifacts.trainer.training.batch_size

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        return -(-self.train.rows // self.batch_size)


def open_bench(opened: Opened, network: Any) -> Bench:
    """Rebuilds the network and checks that it answers as the Keras 3 one does.

    Raises:
      ModelError: it answers otherwise.
    """
    trainer = opened.artifacts.trainer
    tf_keras.utils.set_random_seed(trainer.seed)
    train, val = opened.split("train"), opened.split("val")
    output = output_spec(trainer.problem, train.labels)
    model = build_network(trainer.network, opened.inputs, output, tf_keras)
    copy_weights(network, model)
    check_equal(network, model, val)
    teacher = trainer.training.teacher
    if teacher is not None:
        # The candidate learned from a teacher, and now takes its place: by the labels alone its
        # compressed form would forget what it was taught.
        train = _with_answers(train, network, output, teacher.weight)
        val = _with_answers(val, network, output, 0.0)
    return Bench(opened, model, train, val, output, hold_encoders(opened, model))


def copy_weights(network: Any, model: Any) -> None:
    """Gives a rebuilt model the weights of the network, by their order.

    Raises:
      ModelError: one has other weights than the other.
    """
    weights = network.get_weights()
    wanted = [tuple(weight.shape) for weight in weights]
    received = [tuple(weight.shape) for weight in model.get_weights()]
    if wanted == received:
        model.set_weights(weights)
        return
    pairs = enumerate(zip_longest(wanted, received), 1)
    place, (own, other) = next((at, pair) for at, pair in pairs if pair[0] != pair[1])
    raise ModelError(
        "the network has other weights under tf_keras than in Keras 3",
        expected=f"weight {place} of shape {own}",
        received=f"shape {other} as weight {place}",
        fix="use techniques and formats that need no tf_keras: none, distilled",
    )


def _with_answers(split: Split, network: Any, output: OutputSpec, weight: float) -> Split:
    answers = predict(network, split)
    return with_targets(split, find_task(output.task).mixed_targets(split.labels, answers, weight))


def under_tf_keras(
    train: Callable[[Bench, Any], Weights],
) -> Callable[[Opened, Any, Any], Weights]:
    """Makes a technique of a function that trains a network on under tf_keras.

    The network in Keras 3 gets the new weights; it must answer as the trained one does.

    Args:
      train: Gives a model of tf_keras with as many weights, and the history.
    """

    @wraps(train)
    def technique(opened: Opened, network: Any, spec: Any) -> Weights:
        bench = open_bench(opened, network)
        model, history = train(bench, spec)
        network.set_weights(model.get_weights())
        check_equal(network, model, bench.val)
        return network, history

    return technique


def check_equal(network: Any, model: Any, val: Split) -> None:
    """Checks that a network answers alike in both Kerases: weights were copied by their order.

    Raises:
      ModelError: it does not.
    """
    features, _ = next(iter(ordered_batches(val, _CHECKED_ROWS)))
    wanted = np.asarray(network(dict(features), training=False))
    received = np.asarray(model(dict(features), training=False))
    gap = float(np.max(np.abs(wanted - received) / np.maximum(1.0, np.abs(wanted))))
    if not gap <= _CLOSE:
        raise ModelError(
            "the network answers otherwise under tf_keras than in Keras 3",
            expected=f"at most {_CLOSE:g} apart on {_CHECKED_ROWS} rows of val",
            received=f"{gap:g} apart",
            fix="use techniques and formats that need no tf_keras: none, distilled",
        )


def fine_tune(
    bench: Bench,
    model: Any,
    spec: FineTuneSpec,
    callbacks: Sequence[Any] = (),
    count_from: int = 0,
) -> list[dict[str, float]]:
    """Trains on; the epoch with the lowest loss on val is kept.

    Args:
      bench: The data.
      model: A wrapped form of the bench's model.
      spec: Epochs and learning rate.
      callbacks: They come before the one that keeps the best epoch.
      count_from: The first epoch, from 0, that may be kept.

    Returns:
      One entry per epoch.
    """
    trainer = bench.opened.artifacts.trainer
    weights = class_weights(trainer.problem, bench.train.labels, trainer.training.class_weights)
    rate = tf_keras.optimizers.schedules.CosineDecay(spec.learning_rate, spec.epochs * bench.steps)
    optimizer = EncoderAdamW(
        model,
        bench.shares,
        rate,
        weight_decay=trainer.training.optimizer.weight_decay,
        global_clipnorm=_CLIP_NORM,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "centroid"])
    task = find_task(bench.output.task)
    loss = task.mixed_loss if bench.train.has_targets else task.loss
    model.compile(optimizer=optimizer, loss=loss(bench.output, tf_keras))
    # Where a first step creates the optimizer's variables, TensorFlow traces that step twice.
    model.optimizer.build(model.trainable_variables)
    best = tf_keras.callbacks.EarlyStopping(
        monitor="val_loss",
        patience=_PATIENCE,
        restore_best_weights=True,
        start_from_epoch=count_from,
    )
    batches = train_batches(bench.train, bench.batch_size, trainer.seed, weights, packed=True)
    log = model.fit(
        _learned(bench.train, batches),
        validation_data=_learned(bench.val, ordered_batches(bench.val, packed=True)),
        epochs=spec.epochs,
        callbacks=[*callbacks, best],
        verbose=0,
        shuffle=False,
    ).history
    return [
        {"epoch": i + 1, "loss": float(log["loss"][i]), "val_loss": float(log["val_loss"][i])}
        for i in range(len(log["loss"]))
    ]


@unconverted
def _learned(split: Split, batches: tf.data.Dataset) -> tf.data.Dataset:
    """Features by name, and what is learned of them, as a column or a share for each class."""

    def unpack(matrices: Any, label: tf.Tensor, *weight: tf.Tensor) -> tuple[Any, ...]:
        # A loss would pair `[n]` with `[n, 1]` as a matrix.
        column = tf.expand_dims(label, 1) if label.shape.rank == 1 else label
        learned = split.targets(matrices) if split.has_targets else column
        return split.features(matrices), learned, *weight

    return batches.map(unpack)
