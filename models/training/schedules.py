"""Learning-rate schedules that Keras does not have: functions of the step alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import keras
import tensorflow as tf


@dataclass(eq=False)
class CosineRestarts(keras.optimizers.schedules.LearningRateSchedule):
    """Warms up once, then decays along a cosine from the peak, again and again.

    Attributes:
      peak: The highest rate.
      warm_steps: Steps of the rise from zero.
      cycle_steps: Steps of the first cycle.
      growth: How many times as long each cycle is as the one before.
      final: Of the peak, where a cycle ends.
    """

    peak: float
    warm_steps: float
    cycle_steps: float
    growth: float
    final: float

    def __call__(self, step: Any) -> Any:
        """The rate of a step."""
        passed = tf.cast(step, tf.float32)
        warm = self.warm_steps
        cycles = tf.maximum(passed - warm, 0.0) / self.cycle_steps
        growth = self.growth
        if growth == 1.0:
            place = cycles - tf.floor(cycles)
        else:
            # The cycle before which 1 + growth + growth^2 + ... first cycles have passed.
            index = tf.floor(tf.math.log1p(cycles * (growth - 1.0)) / math.log(growth) + 1e-6)
            length = tf.pow(growth, index)
            place = (cycles - (length - 1.0) / (growth - 1.0)) / length
        rate = _fall(tf.clip_by_value(place, 0.0, 1.0), self.final)
        if warm:
            rate = tf.where(passed < warm, passed / warm, rate)
        return self.peak * rate

    def get_config(self) -> dict[str, float]:
        """What it was made of."""
        return asdict(self)


@dataclass(eq=False)
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises along a cosine to the peak, then falls along one (Smith and Topin, 2018).

    Attributes:
      peak: The highest rate.
      total_steps: Steps of the whole fit.
      rise: The share of them before the peak.
      start: Of the peak, where it starts.
      final: Of the peak, where it ends.
    """

    peak: float
    total_steps: float
    rise: float
    start: float
    final: float

    def __call__(self, step: Any) -> Any:
        """The rate of a step."""
        place = tf.clip_by_value(tf.cast(step, tf.float32) / self.total_steps, 0.0, 1.0)
        rise = self.rise
        up = _fall(1.0 - tf.minimum(place / rise, 1.0), self.start)
        down = _fall(tf.maximum(place - rise, 0.0) / (1.0 - rise), self.final)
        return self.peak * tf.where(place < rise, up, down)

    def get_config(self) -> dict[str, float]:
        """What it was made of."""
        return asdict(self)


def _fall(place: Any, final: float) -> Any:
    """From 1 at place 0 to `final` at place 1, along half a cosine."""
    return final + (1.0 - final) * 0.5 * (1.0 + tf.cos(math.pi * place))
