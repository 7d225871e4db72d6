"""What the transform graph gives, as the inputs and the output of a network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow_transform as tft

from models.features.spec import (
    CategoricalSpec,
    CyclicSpec,
    FeaturesSpec,
    VocabularySpec,
    indicator_name,
)
from models.features.vocabularies import read_vocabularies
from models.networks import InputSpec, OutputSpec

Array = np.ndarray[Any, Any]


def input_specs(problem: FeaturesSpec, graph: tft.TFTransformOutput) -> list[InputSpec]:
    """Gives the network's inputs in the config's order, vocabularies at their learned size."""
    vocabularies = read_vocabularies(problem, graph)
    ports: list[InputSpec] = []
    for name, spec in problem.features.items():
        if isinstance(spec, (CategoricalSpec, VocabularySpec)):
            # One id more than the vocabulary: the bucket of what train never showed.
            size = len(vocabularies[name]) + 1
            embedded = isinstance(spec, VocabularySpec)
            dimension = spec.embedding if isinstance(spec, VocabularySpec) else None
            ports.append(InputSpec(name, "embedding" if embedded else "one_hot", size, dimension))
        else:
            ports.append(InputSpec(name, "dense", 2 if isinstance(spec, CyclicSpec) else 1))
        if getattr(spec, "missing_indicator", False):
            ports.append(InputSpec(indicator_name(name), "dense", 1))
    return ports


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
