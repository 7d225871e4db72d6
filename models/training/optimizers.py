"""Optimizers and learning-rate schedules, from the config."""

from __future__ import annotations

from typing import Any

import keras

from models.training.config import StoppingSpec, TrainingSpec

_NOT_DECAYED = ["bias", "gamma", "beta"]


def build_optimizer(spec: TrainingSpec, steps_per_epoch: int) -> Any:
    """Builds the optimizer with its schedule and gradient clipping."""
    settings = spec.optimizer
    common = {
        "learning_rate": _learning_rate(spec, steps_per_epoch),
        "global_clipnorm": settings.clip_norm,
    }
    if settings.kind == "sgd":
        return keras.optimizers.SGD(momentum=settings.momentum, **common)
    if settings.kind == "adam":
        return keras.optimizers.Adam(**common)
    optimizer = keras.optimizers.AdamW(weight_decay=settings.weight_decay, **common)
    # Pulling offsets and scales towards zero regularises nothing.
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return optimizer


def _learning_rate(spec: TrainingSpec, steps_per_epoch: int) -> Any:
    peak, schedule = spec.optimizer.learning_rate, spec.schedule
    if schedule.kind != "cosine":
        return peak
    warm = round(schedule.warmup_epochs * steps_per_epoch)
    total = spec.epochs * steps_per_epoch
    if not warm:
        return keras.optimizers.schedules.CosineDecay(peak, total, alpha=schedule.final_fraction)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / warm,
        decay_steps=max(1, total - warm),
        alpha=schedule.final_fraction,
        warmup_target=peak,
        warmup_steps=warm,
    )


def control_callbacks(spec: TrainingSpec) -> list[Any]:
    """The callbacks that steer the fit: plateau schedule and early stopping."""
    callbacks: list[Any] = []
    if spec.schedule.kind == "plateau":
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss",
                mode="min",
                factor=spec.schedule.factor,
                patience=spec.schedule.patience,
            )
        )
    if spec.early_stopping is not None:
        callbacks.append(_early_stopping(spec.early_stopping))
    return callbacks


def _early_stopping(spec: StoppingSpec) -> Any:
    return keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        patience=spec.patience,
        min_delta=spec.min_delta,
        restore_best_weights=True,
    )
