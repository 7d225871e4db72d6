"""Magnitude pruning: the smallest weights become zero while the others are trained on."""

from __future__ import annotations

import math
from typing import Any

import tf_keras

from models.compression.spec import PrunedSpec
from models.compression.techniques.legacy import Bench, Weights, fine_tune, under_tf_keras

_FREQUENCY = 25  # steps between two cuts while the sparsity grows


@under_tf_keras
def prune(bench: Bench, spec: PrunedSpec) -> Weights:
    """Prunes every layer with a matrix of weights but the last one.

    The last layer's few weights are each a whole hidden unit.

    Returns:
      The stripped model under tf_keras, and the history.
    """
    from tensorflow_model_optimization.sparsity import keras as sparsity

    dense = [layer for layer in bench.model.layers if isinstance(layer, tf_keras.layers.Dense)]
    last = dense[-1]
    growing = max(1, math.floor(spec.ramp * spec.epochs))
    schedule = _schedule(sparsity, spec, growing * bench.steps)
    kinds = _prunable(spec)

    def wrap(layer: Any) -> Any:
        if layer.name == last.name or not isinstance(layer, kinds):
            return layer
        if spec.pattern == "2:4":
            return sparsity.prune_low_magnitude(layer, schedule, sparsity_m_by_n=(2, 4))
        return sparsity.prune_low_magnitude(layer, schedule)

    model = tf_keras.models.clone_model(bench.model, clone_function=wrap)
    history = fine_tune(bench, model, spec, [sparsity.UpdatePruningStep()], count_from=growing)
    return sparsity.strip_pruning(model), history


def _schedule(sparsity: Any, spec: PrunedSpec, end: int) -> Any:
    if spec.pattern == "2:4":
        return sparsity.ConstantSparsity(0.5, begin_step=0, frequency=_FREQUENCY)
    return sparsity.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=spec.sparsity,
        begin_step=0,
        end_step=max(1, end - 1),
        frequency=min(_FREQUENCY, max(1, (end - 1) // 2)),
    )


def _prunable(spec: PrunedSpec) -> tuple[Any, ...]:
    layers = tf_keras.layers
    blocks = (layers.Dense, layers.Conv2D)
    return blocks if spec.pattern == "2:4" else (*blocks, layers.Conv1D, layers.Embedding)
