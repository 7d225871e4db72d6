"""Learning-rate schedules that Keras does not have: functions of the step alone."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf


class CosineRestarts(keras.optimizers.schedules.LearningRateSchedule):
    """Warms up once, then decays along a cosine from the peak, again and again."""

    def __init__(
        self, peak: float, warm_steps: float, cycle_steps: float, growth: float, final: float
    ) -> None:
        """Sets the shape.

        Args:
          peak: The highest rate.
          warm_steps: Steps of the rise from zero.
          cycle_steps: Steps of the first cycle.
          growth: How many times as long each cycle is as the one before.
          final: Of the peak, where a cycle ends.
        """
        self._config = {
            "peak": peak,
            "warm_steps": warm_steps,
            "cycle_steps": cycle_steps,
            "growth": growth,
            "final": final,
        }

    def __call__(self, step: Any) -> Any:
        """The rate of a step."""
        config = self._config
        passed = tf.cast(step, tf.float32)
        warm = config["warm_steps"]
        cycles = tf.maximum(passed - warm, 0.0) / config["cycle_steps"]
        growth = config["growth"]
        if growth == 1.0:
            place = cycles - tf.floor(cycles)
        else:
            # The cycle before which 1 + growth + growth^2 + ... first cycles have passed.
            index = tf.floor(tf.math.log1p(cycles * (growth - 1.0)) / math.log(growth) + 1e-6)
            length = tf.pow(growth, index)
            place = (cycles - (length - 1.0) / (growth - 1.0)) / length
        rate = _fall(tf.clip_by_value(place, 0.0, 1.0), config["final"])
        if warm:
            rate = tf.where(passed < warm, passed / warm, rate)
        return config["peak"] * rate

    def get_config(self) -> dict[str, float]:
        """What it was made of."""
        return dict(self._config)


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises along a cosine to the peak, then falls along one (Smith and Topin, 2018)."""

    def __init__(
        self, peak: float, total_steps: float, rise: float, start: float, final: float
    ) -> None:
        """Sets the shape.

        Args:
          peak: The highest rate.
          total_steps: Steps of the whole fit.
          rise: The share of them before the peak.
          start: Of the peak, where it starts.
          final: Of the peak, where it ends.
        """
        self._config = {
            "peak": peak,
            "total_steps": total_steps,
            "rise": rise,
            "start": start,
            "final": final,
        }

    def __call__(self, step: Any) -> Any:
        """The rate of a step."""
        config = self._config
        place = tf.clip_by_value(tf.cast(step, tf.float32) / config["total_steps"], 0.0, 1.0)
        rise = config["rise"]
        up = _fall(1.0 - tf.minimum(place / rise, 1.0), config["start"])
        down = _fall(tf.maximum(place - rise, 0.0) / (1.0 - rise), config["final"])
        return config["peak"] * tf.where(place < rise, up, down)

    def get_config(self) -> dict[str, float]:
        """What it was made of."""
        return dict(self._config)


def _fall(place: Any, final: float) -> Any:
    """From 1 at place 0 to `final` at place 1, along half a cosine."""
    return final + (1.0 - final) * 0.5 * (1.0 + tf.cos(math.pi * place))
