"""One network, learned from a train split, its threshold chosen on a val split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from contracts.arrays import Array
from contracts.results.training import IntervalScaling, OperatingPoint, Refit, TemperatureScaling
from models.data.dataset import Split, ordered_batches, train_batches
from models.data.transformed import input_specs, output_spec
from models.networks import OutputSpec, build_network
from models.networks.memory import rows_at_once
from models.tasks import find_task
from models.tasks.forecast import point_forecast
from models.training.augmentation import Augmentation
from models.training.calibration import calibrate
from models.training.config import TrainerSpec
from models.training.distribution import Device, even_batches, steps_per_epoch
from models.training.fine_tuning import FineTuning
from models.training.fitting import Fit, MonitoredModel, compile_model, fit, precision, repeat_fit
from models.training.interval_widths import calibrate_intervals
from models.training.operating_point import choose_threshold
from models.training.ridge_start import can_start_as_ridge, start_as_ridge
from models.training.smearing import smear

T = TypeVar("T")


@dataclass(frozen=True)
class ValidationOutcome:
    """What val decides after the fit.

    Attributes:
      predictions: The network's predictions on val, calibrated where it is.
      calibration: The temperature; None without one.
      intervals: How the intervals of a forecast were stretched; empty where they were not.
      point: The operating point; binary only.
    """

    predictions: Array
    calibration: TemperatureScaling | None
    point: OperatingPoint | None
    intervals: list[IntervalScaling] = field(default_factory=list)


def fit_network(
    spec: TrainerSpec,
    graph: tft.TFTransformOutput,
    splits: dict[str, Split],
    weights: Sequence[float] | None,
    device: Device,
    log_dir: Path | None,
) -> tuple[Any, Fit]:
    """Fits, and gives the network in float32 on the CPU, as it will be served.

    Args:
      spec: Network, loop and seed.
      graph: The transform graph: it knows the sizes of the vocabularies.
      splits: `train` to learn from, `val` to stop by.
      weights: A weight per class id; None weighs all rows alike.
      device: Where to.
      log_dir: Where TensorBoard's events go; None writes none.
    """
    train, training = splits["train"], spec.training

    def run(model: MonitoredModel) -> Fit:
        batches = train_batches(train, training.batch_size, spec.seed, weights, packed=True)
        batches = even_batches(batches, train.rows, training.batch_size)
        val = splits["val"]
        rows = rows_at_once(model.network, val.call_rows)
        return fit(model, batches, ordered_batches(val, rows, packed=True), training, log_dir)

    penalty: float | None = None

    def start(network: Any, output: OutputSpec) -> None:
        def val_loss() -> float:
            points = point_forecast(predict(network, splits["val"]), output.horizon)
            return find_task(output.task).baseline_loss(points, splits["val"].labels)

        nonlocal penalty
        penalty = start_as_ridge(network, output, train, val_loss)

    network, outcome = _learn(spec, graph, train.labels, train, device, start, run)
    return network, replace(outcome, ridge_penalty=penalty)


def refit_network(
    spec: TrainerSpec,
    graph: tft.TFTransformOutput,
    labels: Array,
    rows: Split,
    weights: Sequence[float] | None,
    device: Device,
    first: Fit,
) -> tuple[Any, Refit]:
    """Fits anew on more rows, for as many epochs as the first fit's best one, without val.

    Args:
      spec: Network, loop and seed; the network starts from the same weights as in the first fit.
      graph: The transform graph.
      labels: Of train: a label's scale stays that of the first fit.
      rows: Train and val.
      weights: A weight per class id, as in the first fit.
      device: Where to.
      first: The first fit.

    Raises:
      ModelError: the loss is not a number.
    """
    keras.utils.set_random_seed(spec.seed)
    training = spec.training

    def run(model: MonitoredModel) -> Refit:
        batches = train_batches(rows, training.batch_size, spec.seed, weights, packed=True)
        batches = even_batches(batches, rows.rows, training.batch_size)
        return repeat_fit(model, batches, rows.rows, first, training)

    def start(network: Any, output: OutputSpec) -> None:
        start_as_ridge(network, output, rows, None, first.ridge_penalty)

    return _learn(spec, graph, labels, rows, device, start, run)


def _learn(
    spec: TrainerSpec,
    graph: tft.TFTransformOutput,
    labels: Array,
    rows: Split,
    device: Device,
    start: Callable[[Any, OutputSpec], None],
    run: Callable[[MonitoredModel], T],
) -> tuple[Any, T]:
    """Builds, lets `start` set what can start as a ridge, fits by `run`, and builds to serve."""
    inputs = input_specs(spec.problem, graph)
    output = output_spec(spec.problem, labels)
    steps = steps_per_epoch(rows.rows, spec.training.batch_size, device.strategy)
    first_weights = None
    if can_start_as_ridge(spec.network, output):
        with tf.device("/CPU:0"):
            ridge = build_network(spec.network, inputs, output, keras)
            start(ridge, output)
            first_weights = ridge.get_weights()
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision(spec.training.mixed_precision))
    try:
        with device.strategy.scope():
            trained = build_network(spec.network, inputs, output, keras)
            if first_weights is not None:
                trained.set_weights(first_weights)
            targets = rows.targets if rows.has_targets else None
            model = compile_model(
                trained,
                output,
                spec.training,
                steps,
                rows.features,
                targets,
                Augmentation(inputs),
                FineTuning(trained, inputs, steps),
            )
            outcome = run(model)
    finally:
        keras.config.set_dtype_policy(policy)
    with tf.device("/CPU:0"):
        served = build_network(spec.network, inputs, output, keras)
        served.set_weights(trained.get_weights())
        if output.scale == "log1p":
            smear(served, output, rows.labels, predict(served, rows))
    return served, outcome


def choose_operating_point(spec: TrainerSpec, network: Any, val: Split) -> ValidationOutcome:
    """Calibrates the network where the config says so, then chooses the operating point."""
    calibration = None
    if spec.training.calibration == "temperature":
        calibration = calibrate(network, ordered_batches(val), val.labels)
    predictions = predict(network, val)
    intervals: list[IntervalScaling] = []
    if spec.training.calibration == "conformal":
        output = output_spec(spec.problem, val.labels)
        intervals = calibrate_intervals(network, output, predictions, val.labels)
        predictions = predict(network, val)
    point = None
    if find_task(spec.problem.task).form == "binary":
        point = choose_threshold(val.labels, predictions, spec.costs)
    return ValidationOutcome(predictions, calibration, point, intervals)


def predict(network: Any, split: Split) -> Array:
    """P(second class) `[rows]`, class probabilities `[rows, classes]` or numbers `[rows]`.

    A forecast: all steps of the lowest quantile, then those of the next one.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def step(matrices: dict[str, tf.Tensor]) -> tf.Tensor:
        return network(split.features(matrices), training=False)

    with tf.device("/CPU:0"):
        rows = rows_at_once(network, split.call_rows)
        parts = [step(packed).numpy() for packed, _ in ordered_batches(split, rows, packed=True)]
    predictions: Array = np.concatenate(parts)
    return predictions[:, 0] if predictions.shape[1] == 1 else predictions
