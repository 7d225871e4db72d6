"""Names known training trouble from figures alone: pure functions, no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from contracts.results.training import Diagnosis

_FLAT = 0.01  # a fall of less than this share of the loss is no fall
_RISE = 0.05  # a rise of val's loss above its best that is more than noise
_SWING = 0.05  # a mean step of this share of the loss, up and down, is no noise
_TAIL = 0.02  # a fall over the last quarter of the epochs that promises more
_EXPLODING = 100.0  # a gradient so many times as long as in the first epoch
_VANISHING = 1e-4  # a layer that moves so much less than the one that moves most
_DEAD = 0.5  # a share of silent units that is more than a few unlucky ones
_BETTER = 0.8  # val's loss, as a share of train's, that dropout does not explain
_LONG = 12  # epochs; fewer show no plateau
_LEVEL = 0.002  # what the second half of a plateau gains at most
_ONE_SIDED = 0.9  # a class with a larger share than this may well be the best answer


@dataclass(frozen=True)
class Signals:
    """What a network shows after its fit, on some rows.

    Attributes:
      movement: By hidden layer, in order: the gradient's norm, divided by that of its weights.
      silent: By layer of relu units: the share of units that are 0 for every row.
      predicted: The share of val's rows that each class is predicted for.
      labels: Each class's share of val's rows.
    """

    movement: Mapping[str, float] = field(default_factory=dict)
    silent: Mapping[str, float] = field(default_factory=dict)
    predicted: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, float] = field(default_factory=dict)


def diagnose(
    history: Sequence[Mapping[str, Any]],
    constant_guess_loss: float,
    stopped_early: bool,
    signals: Signals | None = None,
    *,
    comparable: bool = True,
) -> list[Diagnosis]:
    """Looks for known trouble in a finished run.

    Args:
      history: One entry per epoch with `loss`, `val_loss` and, where known, `gradient_norm`.
      constant_guess_loss: The loss on train of always predicting the label's distribution.
      stopped_early: Whether early stopping ended the run.
      signals: What the network shows after the fit.
      comparable: Whether train's loss is the task's own, as val's is: not with class weights,
        smoothed labels and the like.

    Returns:
      What was found; nothing for a healthy run.
    """
    loss = [_number(entry["loss"]) for entry in history]
    val_loss = [_number(entry["val_loss"]) for entry in history]
    if not all(map(math.isfinite, [*loss, *val_loss])):
        return [_not_a_number(loss, val_loss)]
    norms = [_number(entry.get("gradient_norm")) for entry in history]
    signals = signals or Signals()
    diagnoses = [
        _not_falling(loss, constant_guess_loss if comparable else None),
        _oscillating(loss),
        _exploding(loss, norms),
        _vanishing(signals.movement),
        _dead(signals.silent),
        _overfitting(loss, val_loss),
        _val_better(loss, val_loss) if comparable else None,
        None if stopped_early else _underfitting(val_loss),
        None if stopped_early else _plateau(loss, val_loss),
        _one_class(signals),
    ]
    return [diagnosis for diagnosis in diagnoses if diagnosis is not None]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _not_a_number(loss: list[float], val_loss: list[float]) -> Diagnosis:
    pairs = list(zip(loss, val_loss, strict=True))
    bad = next(i for i, pair in enumerate(pairs) if not all(map(math.isfinite, pair)))
    before = f"{loss[bad - 1]:.4g} in the epoch before" if bad else "no finite epoch before"
    return Diagnosis(
        name="NaN loss",
        evidence=f"the loss was not a finite number in epoch {bad + 1}, {before}",
        remedy="lower training.optimizer.learning_rate by ten, keep clip_norm at 1, and look for "
        "extreme values in the numeric features",
    )


def _not_falling(loss: list[float], constant_guess: float | None) -> Diagnosis | None:
    if len(loss) < 2:
        return None
    least = min(loss)
    stuck = min(loss[1:]) > (1 - _FLAT) * loss[0]
    if not stuck or (constant_guess is not None and least < (1 - _FLAT) * constant_guess):
        return None
    guess = (
        f"; always predicting the label's distribution costs {constant_guess:.4g}"
        if constant_guess is not None
        else ""
    )
    return Diagnosis(
        name="loss not falling",
        evidence=f"loss {loss[0]:.4g} in epoch 1 and {least:.4g} at best in {len(loss)} epochs"
        + guess,
        remedy="raise training.optimizer.learning_rate by three to ten, "
        "check that the features can tell the label, and lower network.dropout, l1 and l2",
    )


def _oscillating(values: list[float]) -> Diagnosis | None:
    if len(values) < 5:
        return None
    steps = [after - before for before, after in pairwise(values)]
    turns = sum(a * b < 0 for a, b in pairwise(steps))
    swing = sum(map(abs, steps)) / len(steps)
    level = sum(map(abs, values)) / len(values)
    if turns < 0.6 * (len(steps) - 1) or swing < _SWING * level:
        return None
    return Diagnosis(
        name="oscillating",
        evidence=f"train's loss turned {turns} times in {len(values)} epochs, "
        f"by {swing / level:.0%} of its level on average",
        remedy="lower training.optimizer.learning_rate by three to ten, or raise "
        "training.batch_size",
    )


def _overfitting(loss: list[float], val_loss: list[float]) -> Diagnosis | None:
    best = min(range(len(val_loss)), key=val_loss.__getitem__)
    rise = val_loss[-1] - val_loss[best]
    if rise <= _RISE * abs(val_loss[best]) or loss[-1] >= loss[best]:
        return None
    return Diagnosis(
        name="overfitting",
        evidence=f"val's loss rose from {val_loss[best]:.4g} (epoch {best + 1}) to "
        f"{val_loss[-1]:.4g} while train's fell from {loss[best]:.4g} to {loss[-1]:.4g}",
        remedy="raise network.dropout or weight_decay, use fewer units, a higher min_count for "
        "vocabularies, or more data",
    )


def _underfitting(val_loss: list[float]) -> Diagnosis | None:
    if len(val_loss) < 4:
        return None
    tail = max(1, len(val_loss) // 4)
    before, last = val_loss[-1 - tail], val_loss[-1]
    if last > min(val_loss) or before - last <= _TAIL * abs(before):
        return None
    return Diagnosis(
        name="underfitting",
        evidence=f"val's loss still fell from {before:.4g} to {last:.4g} over the last {tail} "
        f"of {len(val_loss)} epochs",
        remedy="raise training.epochs or training.optimizer.learning_rate, or network.units",
    )


def _exploding(loss: list[float], norms: list[float]) -> Diagnosis | None:
    if not all(map(math.isfinite, norms)) or not norms or norms[0] <= 0:
        return None
    worst = max(range(len(norms)), key=norms.__getitem__)
    if norms[worst] < _EXPLODING * norms[0] or loss[worst] <= min(loss[: worst + 1]):
        return None
    return Diagnosis(
        name="exploding gradients",
        evidence=f"the gradient's norm before clipping rose from {norms[0]:.3g} in epoch 1 to "
        f"{norms[worst]:.3g} in epoch {worst + 1}, and the loss from {min(loss[:worst]):.4g} to "
        f"{loss[worst]:.4g}",
        remedy="lower training.optimizer.learning_rate by ten, keep clip_norm at 1, and set "
        "network.batch_norm to true",
    )


def _vanishing(movement: Mapping[str, float]) -> Diagnosis | None:
    if len(movement) < 2:
        return None
    least, most = min(movement, key=movement.__getitem__), max(movement, key=movement.__getitem__)
    if movement[most] <= 0 or movement[least] >= _VANISHING * movement[most]:
        return None
    return Diagnosis(
        name="vanishing gradients",
        evidence=f"the gradient is {movement[least]:.2g} of the weights in layer {least} and "
        f"{movement[most]:.2g} in layer {most}",
        remedy="set network.batch_norm to true and network.activation to relu or gelu, or use "
        "fewer layers in network.units",
    )


def _dead(silent: Mapping[str, float]) -> Diagnosis | None:
    dead = {layer: share for layer, share in silent.items() if share > _DEAD}
    if not dead:
        return None
    worst = max(dead, key=dead.__getitem__)
    return Diagnosis(
        name="dead units",
        evidence=f"{dead[worst]:.0%} of the relu units of layer {worst} are 0 for every row of a "
        "batch of val" + (f"; more than half in {len(dead)} layers" if len(dead) > 1 else ""),
        remedy="lower training.optimizer.learning_rate by three to ten, set network.batch_norm to "
        "true, or network.activation to gelu or silu",
    )


def _val_better(loss: list[float], val_loss: list[float]) -> Diagnosis | None:
    best = min(range(len(val_loss)), key=val_loss.__getitem__)
    if len(loss) < 3 or best == 0 or val_loss[best] >= _BETTER * loss[best] or loss[best] <= 0:
        return None
    return Diagnosis(
        name="val better than train",
        evidence=f"in epoch {best + 1} the loss is {val_loss[best]:.4g} on val and "
        f"{loss[best]:.4g} on train",
        remedy="look for rows of train that are in val too, or splits by time or group that are "
        "easier (data.split); then lower network.dropout, which only train has",
    )


def _plateau(loss: list[float], val_loss: list[float]) -> Diagnosis | None:
    if len(val_loss) < _LONG:
        return None
    half = len(val_loss) // 2
    gains = [
        (min(values[:half]) - min(values[half:])) / max(abs(min(values[:half])), 1e-12)
        for values in (loss, val_loss)
    ]
    if min(gains) < -_RISE or max(gains) > _LEVEL:
        return None
    return Diagnosis(
        name="plateau",
        evidence=f"epochs {half + 1} to {len(loss)} lowered the best loss by "
        f"{max(gains[0], 0):.2%} on train and {max(gains[1], 0):.2%} on val",
        remedy="set training.early_stopping to stop there, or training.schedule.kind to one_cycle "
        "or cosine_restarts; a network with more network.units may learn more",
    )


def _one_class(signals: Signals) -> Diagnosis | None:
    if not signals.predicted or not signals.labels:
        return None
    chosen = max(signals.predicted, key=signals.predicted.__getitem__)
    if signals.predicted[chosen] < 1.0 or max(signals.labels.values()) > _ONE_SIDED:
        return None
    return Diagnosis(
        name="predicting one class",
        evidence=f"class {chosen} is predicted for every row of val, and "
        f"{signals.labels.get(chosen, 0.0):.1%} of its rows have it",
        remedy="raise training.optimizer.learning_rate, set training.class_weights to balanced, "
        "and check evaluation.costs",
    )
