"""One fit: the model that is fitted, what it reports each epoch, and where it runs."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from contracts.errors import ModelError
from contracts.results.training import Refit
from models.networks import OutputSpec
from models.tasks import find_task
from models.training.augmentation import Augmentation
from models.training.averages import LOWER_LOSS, KeepBetter, Kept, WeightAverage, average_decay
from models.training.config import TrainingSpec
from models.training.distribution import has_several_machines, is_distributed, sum_over_replicas
from models.training.fine_tuning import FineTuning
from models.training.members import find_members
from models.training.objective import Objective, build_objective
from models.training.optimizers import build_optimizer, control_callbacks
from models.training.validation import Validation

_LOG = logging.getLogger(__name__)
_STEPS_PER_EXECUTION = 32
_ONE_EXECUTION = 256  # an epoch of at most so many steps is one call of TensorFlow
_LOGGED_EPOCHS = 50
Unpack = Callable[[Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]]
Targets = Callable[[Mapping[str, tf.Tensor]], tf.Tensor]


def precision(mixed: bool) -> str:
    """The dtype policy: bfloat16 needs no loss scaling, older GPUs only have float16."""
    if not mixed:
        return "float32"
    for gpu in tf.config.list_physical_devices("GPU"):
        capability = tf.config.experimental.get_device_details(gpu).get("compute_capability")
        if capability is not None and capability < (8, 0):
            return "mixed_float16"
    return "mixed_bfloat16"


class MonitoredModel(keras.Model):
    """Fits a network and tracks the norm of its gradient, as it was before clipping."""

    def __init__(
        self,
        network: Any,
        unpack: Unpack | None = None,
        objective: Objective | None = None,
        average: WeightAverage | None = None,
        targets: Targets | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        """Wraps a network.

        Args:
          network: It takes features by name.
          unpack: Gives them from what a batch holds; None where it holds them already.
          objective: What training minimises; None for the loss that the model is compiled with.
          average: Of the network's weights; moved with each step.
          targets: Gives what the objective takes in place of labels from what a batch holds;
            metrics stay those of the labels.
          augmentation: Changes the batches of training.
        """
        super().__init__(name="monitored")
        self.network = network
        self.average = average
        self.sample: Any = None
        self._unpack = unpack
        self._objective = objective
        self._targets = targets
        self._augmentation = augmentation
        self._members = find_members(network)
        self.gradient_norm = keras.metrics.Mean(name="gradient_norm")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Calls the network."""
        return self.network(self.features(inputs), training=training)

    def features(self, inputs: Any) -> Any:
        """Gives the features by name from what a batch holds."""
        return inputs if self._unpack is None else self._unpack(inputs)

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of Keras's own loop, with the norm on top."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            predicted, loss = self._predict_with_loss(x, y, weight)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_weights
        gradients = tape.gradient(scaled, variables)
        unscale = tf.math.divide_no_nan(tf.cast(loss, tf.float32), tf.cast(scaled, tf.float32))
        if is_distributed():
            gradients, norm = self._of_whole_batch(gradients, unscale)
        else:
            norm = tf.linalg.global_norm(gradients) * unscale
        self.gradient_norm.update_state(norm)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        if self.average is not None:
            self.average.update()
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss * replicas, sample_weight=tf.shape(y)[0])
        return self._reducible(self.compute_metrics(x, y, predicted, sample_weight=weight))

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation, as Keras does it."""
        return self._reducible(super().test_step(data))

    def _of_whole_batch(self, gradients: Any, unscale: Any) -> tuple[list[Any], Any]:
        """The gradient of all replicas' rows, clipped as a whole, and its norm before.

        Keras clips each replica's part, and then sums them: the shares that are given back
        have the clipped gradient as their sum.
        """
        summed = sum_over_replicas([tf.convert_to_tensor(gradient) for gradient in gradients])
        norm = tf.linalg.global_norm(summed)
        bound = self._clip_norm
        if bound is not None:
            scale = tf.minimum(1.0, tf.math.divide_no_nan(bound, norm * unscale))
            scale = tf.where(norm > 0, scale, 1.0)
            summed = [gradient * tf.cast(scale, gradient.dtype) for gradient in summed]
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return [gradient / replicas for gradient in summed], norm * unscale

    @property
    def _clip_norm(self) -> float | None:
        inner: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        bound: float | None = inner.global_clipnorm
        return bound

    def _reducible(self, results: dict[str, Any]) -> dict[str, Any]:
        """Keras averages results over an axis where there are several machines."""
        if not has_several_machines(self.distribute_strategy):
            return results
        return {name: tf.reshape(value, [1]) for name, value in results.items()}

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Builds from `sample`, where there is a strategy.

        Keras would read a first batch of training, and how far ahead is read then depends on
        the machine: so would the order of the rows. Nor can it reduce a dict over machines.
        """
        if self.sample is not None:
            iterator, data_batch = None, self.sample
        super()._maybe_symbolic_build(iterator, data_batch)

    def _predict_with_loss(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
        """The one place where the loss of training is computed: over all members of a network."""
        features, members, share = self.features(x), self._members, None
        if self._augmentation is not None:
            features, share = self._augmentation(features)
        if self._objective is not None:
            learned = y if self._targets is None else self._targets(x)
            predicted, loss = self._objective.evaluate(members, features, learned, weight, share)
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            return predicted, loss + sum(self.losses) / replicas
        both = members.predict(features)
        y, weight = members.repeat(y), members.repeat(weight)
        loss = self.compute_loss(x=x, y=y, y_pred=both.members, sample_weight=weight, training=True)
        return both.mean, loss


class EpochLog(keras.callbacks.Callback):
    """Keeps the history, logs fifty lines at most, and stops when the loss is no number."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._every = -(-epochs // _LOGGED_EPOCHS)
        self.history: list[dict[str, float]] = []
        self.not_a_number = False
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the epoch's clock."""
        del epoch, logs
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the epoch; also to `logs`, for the callbacks that come after."""
        logs = {} if logs is None else logs
        logs.pop("val_gradient_norm", None)
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        entry = {name: float(value) for name, value in logs.items() if name != LOWER_LOSS}
        entry = {"epoch": epoch + 1, **entry, "seconds": time.monotonic() - self._started}
        self.history.append(entry)
        if epoch % self._every == 0:
            _LOG.info("%s", _line(entry))
        if not math.isfinite(entry["loss"]) or not math.isfinite(entry["val_loss"]):
            self.not_a_number = True
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Logs the last epoch, where it was left out."""
        del logs
        if self.history and (len(self.history) - 1) % self._every:
            _LOG.info("%s", _line(self.history[-1]))


def _line(entry: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in entry.items())


@dataclass(frozen=True)
class Fit:
    """What a fit came to.

    Attributes:
      history: One entry per epoch.
      best_epoch: The epoch, counted from 1, whose weights the network has now.
      kept: Whether these are the raw weights of that epoch or their moving average.
      ridge_penalty: That of the regression that the network started as; None where it did not.
      stopped_early: Whether early stopping ended it.
      not_a_number: Whether the loss stopped being finite.
      seconds: Of the fit alone.
    """

    history: list[dict[str, float]]
    best_epoch: int
    stopped_early: bool
    not_a_number: bool
    seconds: float
    kept: Kept = "raw"
    ridge_penalty: float | None = None


def compile_model(
    network: Any,
    output: OutputSpec,
    spec: TrainingSpec,
    steps_per_epoch: int,
    unpack: Unpack | None = None,
    targets: Targets | None = None,
    augmentation: Augmentation | None = None,
    tuning: FineTuning | None = None,
) -> MonitoredModel:
    """Wraps the network and compiles it for its task.

    Args:
      network: From `build_network`.
      output: Its task decides loss and metrics.
      spec: Decides the optimizer.
      steps_per_epoch: For the schedule.
      unpack: Gives the features of a batch; None where it holds them by name.
      targets: Gives what is learned of a batch; None where that is its labels.
      augmentation: Changes the batches of training; None changes nothing.
      tuning: Of layers that start from other weights.
    """
    task = find_task(output.task)
    average = None
    if spec.ema is not None:
        average = WeightAverage(network, average_decay(spec.ema, steps_per_epoch))
    mixes = augmentation is not None and augmentation.mixes
    objective = build_objective(network, output, spec, steps_per_epoch, mixes=mixes)
    model = MonitoredModel(network, unpack, objective, average, targets, augmentation)
    tuned = () if tuning is None else tuning.weights
    model.compile(
        optimizer=build_optimizer(spec, steps_per_epoch, network, tuned),
        loss=task.loss(output, keras),
        metrics=task.training_metrics(keras.metrics),
        steps_per_execution=_steps_per_execution(steps_per_epoch),
        jit_compile=False,
    )
    # Where a first step creates the optimizer's variables, TensorFlow traces that step twice.
    model.optimizer.build(model.trainable_weights)
    return model


def _steps_per_execution(steps_per_epoch: int) -> int:
    if has_several_machines(tf.distribute.get_strategy()):
        return 1  # TensorFlow cannot run collectives inside Keras's loop over steps
    within = steps_per_epoch if steps_per_epoch <= _ONE_EXECUTION else _STEPS_PER_EXECUTION
    return max(1, within)


def fit(
    model: MonitoredModel,
    train: tf.data.Dataset,
    val: tf.data.Dataset,
    spec: TrainingSpec,
    log_dir: Path | None,
) -> Fit:
    """Fits the model; with early stopping the best epoch's weights are restored.

    TensorBoard's events go to `log_dir`, where there is one.
    """
    log = EpochLog(spec.epochs)
    validation = Validation(val)
    keep = None
    callbacks: list[Any] = [validation]
    if model.average is not None:
        stops = spec.early_stopping is not None
        keep = KeepBetter(model.average, validation.measure, best_of_all=stops)
        callbacks.append(keep)
    callbacks += [log, *control_callbacks(spec, averages=keep is not None)]
    if log_dir is not None:
        callbacks.append(
            keras.callbacks.TensorBoard(str(log_dir), write_graph=False, update_freq="epoch")
        )
    started = time.monotonic()
    model.sample = _sample(train)
    model.fit(
        **_endless(train, model.steps_per_execution),
        epochs=spec.epochs,
        callbacks=callbacks,
        verbose=0,
        shuffle=False,
    )
    last = len(log.history)
    best = last
    if keep is not None:
        best = keep.best_epoch
    elif spec.early_stopping is not None and not log.not_a_number:
        best = 1 + min(range(last), key=lambda i: log.history[i]["val_loss"])
    return Fit(
        history=log.history,
        best_epoch=best,
        stopped_early=last < spec.epochs and not log.not_a_number,
        not_a_number=log.not_a_number,
        seconds=time.monotonic() - started,
        kept="raw" if keep is None else keep.kept,
    )


def repeat_fit(
    model: MonitoredModel, train: tf.data.Dataset, rows: int, first: Fit, spec: TrainingSpec
) -> Refit:
    """Fits for as many epochs as another fit's best one, at its rates, without val.

    Args:
      model: Compiled for the steps of an epoch of these rows.
      train: Batches.
      rows: How many rows they have.
      first: The other fit: it decides the epoch, and whether the moving average is kept.
      spec: The loop of both.

    Raises:
      ModelError: the loss is not a number.
    """
    callbacks: list[Any] = [keras.callbacks.TerminateOnNaN()]
    if spec.schedule.kind == "plateau":  # val decided, and has no say here
        rates = [entry["learning_rate"] for entry in first.history]
        callbacks.append(keras.callbacks.LearningRateScheduler(lambda epoch, _: rates[epoch]))
    started = time.monotonic()
    model.sample = _sample(train)
    batches = _endless(train, model.steps_per_execution)
    fitted = model.fit(
        **batches, epochs=first.best_epoch, callbacks=callbacks, verbose=0, shuffle=False
    )
    loss = float(fitted.history["loss"][-1])
    if not math.isfinite(loss):
        raise ModelError(
            "the fit on train and val was stopped: the loss is not a number",
            where="Trainer, training.refit",
            expected="a finite loss, as on train alone",
            fix="lower training.optimizer.learning_rate, or set training.refit to false",
        )
    if model.average is not None and first.kept == "average":
        model.average.swap()
    return Refit(rows=rows, epochs=first.best_epoch, loss=loss, seconds=time.monotonic() - started)


def _sample(batches: tf.data.Dataset) -> Any:
    """A batch to build a model from, under a strategy."""
    if not tf.distribute.has_strategy():
        return None
    (batch,) = batches.take(1)
    return batch


def _endless(train: tf.data.Dataset, steps_per_execution: int) -> dict[str, Any]:
    """Gives the batches without end, where an epoch is one call of TensorFlow.

    A new iterator for each epoch costs more than an epoch of some hundred rows. Keras makes
    two an epoch, and each draws seeds for the order of the rows: the batch that is read and
    skipped keeps that order. A strategy of distribution wants its iterators for itself.
    """
    steps = int(train.cardinality())
    if steps != steps_per_execution or tf.distribute.has_strategy():
        return {"x": train}
    epochs = train.concatenate(train.take(1).skip(1)).repeat()
    return {"x": epochs, "steps_per_epoch": steps}
