"""The network rebuilt under tf_keras, for tools that know no other Keras, and back again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from contracts.errors import ModelError
from models.compression.spec import FineTuneSpec
from models.compression.training_artifacts import Opened
from models.data.dataset import Split, ordered_batches, train_batches
from models.data.labels import class_weights
from models.data.transformed import output_spec
from models.networks import OutputSpec, build_network
from models.tasks import find_task

Array = np.ndarray[Any, Any]
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
      train: The split to learn from.
      val: The split to stop on.
      output: What the network predicts.
    """

    opened: Opened
    model: Any
    train: Split
    val: Split
    output: OutputSpec

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
    model.set_weights(network.get_weights())
    check_equal(network, model, val)
    return Bench(opened, model, train, val, output)


def fine_tuned(opened: Opened, network: Any, train: Callable[[Bench], Weights]) -> Weights:
    """Trains a network on under tf_keras.

    Args:
      opened: The training artifacts.
      network: The trained network in Keras 3; it gets the new weights.
      train: Gives a model of tf_keras with as many weights, and the history.

    Raises:
      ModelError: the network answers otherwise in one Keras than in the other.
    """
    bench = open_bench(opened, network)
    model, history = train(bench)
    network.set_weights(model.get_weights())
    check_equal(network, model, bench.val)
    return network, history


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
    optimizer = tf_keras.optimizers.AdamW(
        rate, weight_decay=trainer.training.optimizer.weight_decay, global_clipnorm=_CLIP_NORM
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "centroid"])
    model.compile(
        optimizer=optimizer, loss=find_task(bench.output.task).loss(bench.output, tf_keras)
    )
    best = tf_keras.callbacks.EarlyStopping(
        monitor="val_loss",
        patience=_PATIENCE,
        restore_best_weights=True,
        start_from_epoch=count_from,
    )
    log = model.fit(
        train_batches(bench.train, bench.batch_size, trainer.seed, weights).map(_upright),
        validation_data=ordered_batches(bench.val).map(_upright),
        epochs=spec.epochs,
        callbacks=[*callbacks, best],
        verbose=0,
        shuffle=False,
    ).history
    return [
        {"epoch": i + 1, "loss": float(log["loss"][i]), "val_loss": float(log["val_loss"][i])}
        for i in range(len(log["loss"]))
    ]


def _upright(features: Any, label: tf.Tensor, *weight: tf.Tensor) -> tuple[Any, ...]:
    """Labels as a column: a loss would pair `[n]` with `[n, 1]` as a matrix."""
    return features, tf.reshape(label, [-1, 1]), *weight
