"""Optimizers and learning-rate schedules, from the config."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras

from models.networks.parts import FEATURES_LAYER
from models.training.averages import LOWER_LOSS
from models.training.config import TrainingSpec
from models.training.fine_tuning import TunedWeight, TuningOptimizer
from models.training.schedules import CosineRestarts, OneCycle

_NOT_DECAYED = ["bias", "gamma", "beta"]


def build_optimizer(
    spec: TrainingSpec,
    steps_per_epoch: int,
    network: Any = None,
    tuned: Sequence[TunedWeight] = (),
) -> Any:
    """Builds the optimizer with its schedule, gradient clipping and accumulation.

    Args:
      spec: The config.
      steps_per_epoch: Batches an epoch.
      network: What is trained; only Muon asks which of its layers are hidden ones.
      tuned: Weights with a learning rate of their own, which do not decay.
    """
    kind, settings = _class_and_settings(spec, steps_per_epoch, network)
    if tuned:
        optimizer = type(f"Tuning{kind.__name__}", (TuningOptimizer, kind), {})(**settings)
        optimizer.tune(tuned)
    else:
        optimizer = kind(**settings)
    # Pulling offsets and scales towards zero regularises nothing.
    optimizer.exclude_from_weight_decay([one.weight for one in tuned], _NOT_DECAYED)
    return optimizer


def _class_and_settings(
    spec: TrainingSpec, steps_per_epoch: int, network: Any
) -> tuple[Any, dict[str, Any]]:
    settings = spec.optimizer
    accumulate = settings.accumulate
    common = {
        "learning_rate": _learning_rate(spec, steps_per_epoch / accumulate),
        "global_clipnorm": settings.clip_norm,
        "gradient_accumulation_steps": accumulate if accumulate > 1 else None,
    }
    if settings.kind == "sgd":
        momentum = {"momentum": settings.momentum, "nesterov": settings.nesterov}
        return keras.optimizers.SGD, common | momentum
    if settings.kind == "adam":
        return keras.optimizers.Adam, common
    common["weight_decay"] = settings.weight_decay
    if settings.kind == "lion":
        return keras.optimizers.Lion, common
    if settings.kind == "muon":
        return keras.optimizers.Muon, common | {
            "momentum": settings.momentum,
            "adam_weight_decay": settings.weight_decay,
            "exclude_layers": [f"^{re.escape(path)}$" for path in _not_hidden(network)],
        }
    return keras.optimizers.AdamW, common


def _not_hidden(network: Any) -> list[str]:
    """The paths of the weights that encode features, or belong to the head."""
    if network is None:
        raise ValueError("Muon needs the network, to tell hidden layers from the others")
    head = next(layer for layer in reversed(network.layers) if layer.trainable_weights)
    weights = list(head.trainable_weights)
    for layer in network.layers:
        if layer.name == FEATURES_LAYER:
            weights += keras.Model(network.input, layer.output).trainable_weights
    embeddings = [
        layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.Embedding)
    ]
    weights += [weight for layer in embeddings for weight in layer.trainable_weights]
    return sorted({weight.path for weight in weights})


def _learning_rate(spec: TrainingSpec, steps_per_epoch: float) -> Any:
    peak, schedule = spec.optimizer.learning_rate, spec.schedule
    if schedule.kind in ("constant", "plateau"):
        return peak
    total = max(1, round(spec.epochs * steps_per_epoch))
    if schedule.kind == "one_cycle":
        return OneCycle(
            peak, total, schedule.rise, schedule.start_fraction, schedule.final_fraction
        )
    warm = round(schedule.warmup_epochs * steps_per_epoch)
    if schedule.kind == "cosine_restarts":
        cycle = max(1.0, schedule.cycle_epochs * steps_per_epoch)
        return CosineRestarts(peak, warm, cycle, schedule.cycle_growth, schedule.final_fraction)
    if not warm:
        return keras.optimizers.schedules.CosineDecay(peak, total, alpha=schedule.final_fraction)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / warm,
        decay_steps=max(1, total - warm),
        alpha=schedule.final_fraction,
        warmup_target=peak,
        warmup_steps=warm,
    )


def control_callbacks(spec: TrainingSpec, *, averages: bool = False) -> list[Any]:
    """The callbacks that steer the fit: plateau schedule and early stopping.

    With averaged weights the lower of both losses decides, and `KeepBetter` restores the best.
    """
    monitor = LOWER_LOSS if averages else "val_loss"
    callbacks: list[Any] = []
    if spec.schedule.kind == "plateau":
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor=monitor,
                mode="min",
                factor=spec.schedule.factor,
                patience=spec.schedule.patience,
            )
        )
    if spec.early_stopping is not None:
        stopping = spec.early_stopping
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor=monitor,
                mode="min",
                patience=stopping.patience,
                min_delta=stopping.min_delta,
                restore_best_weights=not averages,
            )
        )
    return callbacks
