"""The mean of a label whose logarithm was learned.

A network that learns the mean of the logarithm predicts, once that is undone, something near the
median, and so too little on average. The smearing estimator scales its predictions so that they
have train's mean again (Duan, "Smearing estimate: a nonparametric retransformation method", 1983).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from contracts.arrays import Array
from models.tasks.output import OutputSpec

_HEAD = "standardised"


def smear(network: Any, output: OutputSpec, labels: Array, predictions: Array) -> float:
    """Shifts the head, in place, so that the predictions keep the labels' mean.

    Args:
      network: A network with the head of models/tasks/regression.py.
      output: What it predicts.
      labels: Of train.
      predictions: The network's, on the same rows.

    Returns:
      By what 1 + the prediction is multiplied; 1 where another scale than log1p was learned.
    """
    names = {layer.name for layer in network.layers}
    if output.scale != "log1p" or _HEAD not in names:
        return 1.0
    factor = float((1 + labels.astype(np.float64)).mean() / (1 + predictions).mean())
    if not math.isfinite(factor) or factor <= 0:
        return 1.0
    bias = network.get_layer(_HEAD).bias
    bias.assign(bias + math.log(factor) / output.deviation)
    return factor
