"""What the transform graph gives, as the inputs and the output of a network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow_transform as tft

from models.features.learned import Learned
from models.features.spec import FeaturesSpec
from models.networks import InputSpec, OutputSpec

Array = np.ndarray[Any, Any]


def input_specs(problem: FeaturesSpec, graph: tft.TFTransformOutput) -> list[InputSpec]:
    """Gives the network's inputs in the config's order, vocabularies at their learned size."""
    learned = Learned(problem, graph)
    return [port for name, spec in problem.features.items() for port in spec.ports(name, learned)]


def output_spec(problem: FeaturesSpec, labels: Array) -> OutputSpec:
    """Gives what to predict; `labels` are train's."""
    if problem.task != "regression":
        return OutputSpec(problem.task, classes=len(problem.label_classes()))
    deviation = float(np.std(labels, dtype=np.float64))
    return OutputSpec(
        "regression",
        mean=float(np.mean(labels, dtype=np.float64)),
        deviation=deviation if deviation > 0 and math.isfinite(deviation) else 1.0,
    )
