"""Conformal widths: each interval of a forecast is stretched until it covers its share of val.

A network that has learned train by heart is too sure of itself elsewhere. The distances between
the median and the levels are multiplied by a number for each pair of levels (conformalized
quantile regression: Romano, Patterson and Candès, 2019, here with the distance as the unit). The
numbers are folded into the layers that give the distances, so that the SavedModel has no
operation more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.results.training import IntervalScaling
from models.tasks.forecast import quantile_cube
from models.tasks.output import OutputSpec

_LIMITS = (0.05, 20.0)
_LEAST_WIDTH = 1e-9
_BEYOND_REACH = 1e3  # times its distance, which is 0 or nearly so


def calibrate_intervals(
    network: Any, output: OutputSpec, predictions: Array, labels: Array
) -> list[IntervalScaling]:
    """Learns the factor of each interval and folds it into the network.

    Args:
      network: A network with the head of models/tasks/forecast.py; it is changed.
      output: Its levels and horizon.
      predictions: The network's on val, in the label's unit.
      labels: Of val.

    Returns:
      The innermost interval first.
    """
    scalings = find_factors(output.quantiles, predictions, labels)
    stretch_intervals(network, scalings)
    return scalings


def stretch_intervals(network: Any, scalings: Sequence[IntervalScaling]) -> None:
    """Multiplies the distances that a network gives, in place."""
    for place, scaling in enumerate(scalings, 1):
        for side in ("below", "above"):
            # The distance is the positive part of this layer: its weights scale it.
            layer = network.get_layer(f"{side}_{place}")
            factor = np.float32(scaling.factor)
            layer.set_weights([weights * factor for weights in layer.get_weights()])


def find_factors(
    quantiles: Sequence[float], predictions: Array, labels: Array
) -> list[IntervalScaling]:
    """Gives the factor by which each interval covers its share of the labels.

    Args:
      quantiles: The levels.
      predictions: `[rows, quantiles * horizon]`.
      labels: `[rows, horizon]`.
    """
    cube = quantile_cube(predictions, labels.shape[1]).astype(np.float64)
    middle = len(quantiles) // 2
    low = high = cube[:, middle]
    scalings = []
    for place in range(1, middle + 1):
        share = quantiles[middle + place] - quantiles[middle - place]
        below = cube[:, middle - place + 1] - cube[:, middle - place]
        above = cube[:, middle + place] - cube[:, middle + place - 1]
        beyond = np.maximum(
            (low - labels) / np.maximum(below, _LEAST_WIDTH),
            (labels - high) / np.maximum(above, _LEAST_WIDTH),
        )
        factor = _factor(beyond, share)
        before = float((beyond <= 1).mean())
        low, high = low - factor * below, high + factor * above
        after = float(((labels >= low) & (labels <= high)).mean())
        scalings.append(
            IntervalScaling(
                low=quantiles[middle - place],
                high=quantiles[middle + place],
                factor=factor,
                coverage_before=before,
                coverage_after=after,
            )
        )
    return scalings


def _factor(beyond: Array, share: float) -> float:
    """The factor by which `share` of the labels are covered.

    No factor covers a label beyond a distance of 0. Where there are too many of those, the
    share is that of the others: their intervals would grow without end.
    """
    factor = _quantile(beyond, share)
    if factor > _LIMITS[1]:
        factor = _quantile(beyond[beyond < _BEYOND_REACH], share)
    return float(np.clip(factor, *_LIMITS))


def _quantile(beyond: Array, share: float) -> float:
    """The conformal quantile; 1 where there is nothing."""
    if not beyond.size:
        return 1.0
    rank = min(1.0, math.ceil(share * (beyond.size + 1)) / beyond.size)
    return float(np.quantile(beyond, rank))
