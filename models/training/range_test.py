"""A learning-rate range test: the loss of training while the rate rises from step to step.

See Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow_transform as tft

from contracts.arrays import Array
from contracts.errors import ModelError
from contracts.results.range_test import RangeTest
from models.data.dataset import Source, Split, load_split, train_batches
from models.data.labels import check_labels, class_weights
from models.data.transform_layer import TransformLayer
from models.data.transformed import input_specs, output_spec
from models.networks import build_network
from models.training.config import ScheduleSpec, TrainerSpec, TrainingSpec
from models.training.distribution import Device, choose_device
from models.training.fitting import compile_model, precision

LOWEST_RATE, HIGHEST_RATE = 1e-6, 1.0
_STEPS_PER_DECADE = (25, 70)
_DECADES = 0.15  # the width of the window that smooths, as a standard deviation
_WORSE = 3.0  # times the lowest running loss: the sweep ends
_RUNNING = 0.9
_START = 0.1  # of the sweep: its loss is that of a network that has not learned


@dataclass(frozen=True)
class Curve:
    """The training loss of each step, and the learning rate that the step was made with."""

    rates: Array
    losses: Array


def measure(
    spec: TrainerSpec,
    files: Sequence[str],
    schema: Any,
    graph: tft.TFTransformOutput,
    bounds: tuple[float, float],
) -> RangeTest:
    """Sweeps over the rows of some files, and recommends a rate.

    Args:
      spec: What the Trainer gets.
      files: Of train.
      schema: The schema with dense representations.
      graph: The transform graph.
      bounds: The first rate and the last one.

    Raises:
      ModelError: labels that cannot be learned from, or a loss that falls at no rate.
    """
    problem, training = spec.problem, spec.training
    source = Source(schema, TransformLayer(graph), problem.label.name)
    train = load_split("train", files, source, training.cache, seed=spec.seed)
    check_labels(problem, train.labels, train.name)
    weights = class_weights(problem, train.labels, training.class_weights)
    curve = sweep(spec, graph, train, weights, choose_device(), bounds)
    return recommend(curve, training.optimizer.kind, training.optimizer.learning_rate)


def sweep(
    spec: TrainerSpec,
    graph: tft.TFTransformOutput,
    train: Split,
    weights: Sequence[float] | None,
    device: Device,
    bounds: tuple[float, float] = (LOWEST_RATE, HIGHEST_RATE),
) -> Curve:
    """Trains a new network while its learning rate rises, until the loss explodes.

    Args:
      spec: Network, loop and seed. Schedule, curriculum and moving average do not apply.
      graph: The transform graph.
      train: The split to learn from.
      weights: A weight per class id; None weighs all rows alike.
      device: Where to.
      bounds: The first rate and the last one.
    """
    keras.utils.set_random_seed(spec.seed)
    training = _constant(spec.training)
    updates = math.ceil(train.rows / (training.batch_size * training.optimizer.accumulate))
    rates = rising_rates(bounds, updates)
    batches = train_batches(train, training.batch_size, spec.seed, weights, packed=True)
    output = output_spec(spec.problem, train.labels)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision(training.mixed_precision))
    try:
        with device.strategy.scope():
            network = build_network(spec.network, input_specs(spec.problem, graph), output, keras)
            model = compile_model(network, output, training, 1, train.features)
        losses = _losses(model, iter(batches.repeat()), rates, training.optimizer.accumulate)
        return until_explosion(rates, losses)
    finally:
        keras.config.set_dtype_policy(policy)


def _constant(spec: TrainingSpec) -> TrainingSpec:
    """The same loop with a rate that only the sweep changes, and a loss that means one thing."""
    return spec.model_copy(
        update={
            "schedule": ScheduleSpec(kind="constant"),
            "curriculum": None,
            "ema": None,
            "teacher": None,
        }
    )


def rising_rates(bounds: tuple[float, float], updates: int) -> Array:
    """The rates of the steps: one epoch of them, where that is neither few nor many."""
    decades = math.log10(bounds[1] / bounds[0])
    fewest, most = (math.ceil(count * decades) for count in _STEPS_PER_DECADE)
    return np.geomspace(*bounds, min(max(updates, fewest), most))


def _losses(model: Any, batches: Iterator[Any], rates: Array, accumulate: int) -> Iterator[float]:
    """Makes a step with each rate, and gives the mean loss of its batches before it."""
    for rate in rates:
        model.optimizer.learning_rate = rate
        losses = []
        for _ in range(accumulate):
            model.reset_metrics()
            losses.append(float(model.train_on_batch(*next(batches), return_dict=True)["loss"]))
        yield sum(losses) / accumulate


def until_explosion(rates: Array, losses: Iterator[float]) -> Curve:
    """Takes losses while they are finite and their running mean is near its lowest."""
    kept: list[float] = []
    running, lowest = 0.0, math.inf
    for loss in losses:
        if not math.isfinite(loss):
            break
        kept.append(loss)
        running = _RUNNING * running + (1 - _RUNNING) * loss
        mean = running / (1 - _RUNNING ** len(kept))
        lowest = min(lowest, mean)
        if mean > _WORSE * lowest:
            break
    return Curve(rates[: len(kept)], np.array(kept))


def recommend(curve: Curve, optimizer: str, current: float) -> RangeTest:
    """Reads the curve: the rate of the steepest fall, at most a tenth of that of the lowest loss.

    Args:
      curve: From `sweep`.
      optimizer: The kind that was swept.
      current: The config's learning rate.

    Raises:
      ModelError: the loss did not fall by more than its noise.
    """
    places = np.log10(curve.rates)
    smoothed = smooth(places, curve.losses)
    count = max(1, round(_START * len(smoothed)))
    first = float(np.median(smoothed[:count])) if len(smoothed) else math.nan
    bottom = int(np.argmin(smoothed)) if len(smoothed) else 0
    if not bottom or not _falls(curve.losses, smoothed, first, bottom):
        raise _no_fall(curve)
    slopes = np.gradient(smoothed, places)
    steepest = int(np.argmin(slopes[: bottom + 1]))
    beyond = np.flatnonzero(smoothed[bottom:] > (first + smoothed[bottom]) / 2)
    lowest = float(curve.rates[bottom])
    return RangeTest(
        optimizer=optimizer,
        current=current,
        rates=curve.rates.tolist(),
        losses=curve.losses.tolist(),
        smoothed=smoothed.tolist(),
        lowest=lowest,
        steepest=float(curve.rates[steepest]),
        diverges=float(curve.rates[bottom + beyond[0]]) if len(beyond) else None,
        recommended=float(f"{min(float(curve.rates[steepest]), lowest / 10):.1e}"),
    )


def smooth(places: Array, losses: Array) -> Array:
    """The mean around each place, weighted by a bell curve."""
    distances = (places[:, None] - places[None, :]) / _DECADES
    weights = np.exp(-0.5 * distances**2)
    mean: Array = weights @ losses / weights.sum(axis=1)
    return mean


def _falls(losses: Array, smoothed: Array, first: float, bottom: int) -> bool:
    noise = float(np.std((losses - smoothed)[: bottom + 1]))
    return first - float(smoothed[bottom]) > noise


def _no_fall(curve: Curve) -> ModelError:
    steps = len(curve.rates)
    reached = f"up to {curve.rates[-1]:.2g}" if steps else "at the first rate"
    return ModelError(
        "no learning rate can be recommended: the loss of training fell at none",
        where="learning-rate range test",
        expected="a loss that falls by more than its noise",
        received=f"{steps} steps {reached} without such a fall",
        fix="look at the picture of the training loss in a run's report, and at `kelp advise`; "
        "a larger training.batch_size makes the loss less noisy",
    )
