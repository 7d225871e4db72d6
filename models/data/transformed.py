"""What the transform graph gives, as the inputs and the output of a network."""

from __future__ import annotations

from dataclasses import replace

import tensorflow_transform as tft

from contracts.arrays import Array
from models.features.learned import Learned
from models.features.spec import FeaturesSpec
from models.networks import InputSpec, OutputSpec
from models.tasks import find_task
from models.tasks.label_scale import scaled_output


def input_specs(problem: FeaturesSpec, graph: tft.TFTransformOutput) -> list[InputSpec]:
    """Gives the network's inputs in the config's order, vocabularies at their learned size."""
    learned = Learned(problem, graph)
    return [port for name, spec in problem.features.items() for port in spec.ports(name, learned)]


def output_spec(problem: FeaturesSpec, labels: Array) -> OutputSpec:
    """Gives what to predict; `labels` are train's."""
    output = replace(
        find_task(problem.task).output(len(problem.label_classes()), labels),
        quantiles=problem.quantiles,
        history=problem.label.history or "",
        season=problem.label.season or 0,
    )
    return scaled_output(output, problem.label.scale, labels)
