"""Names known training trouble from the history alone: pure functions, no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from contracts.results.training import Diagnosis

_FLAT = 0.01  # a fall of less than this share of the loss is no fall
_RISE = 0.05  # a rise of val's loss above its best that is more than noise
_SWING = 0.05  # a mean step of this share of the loss, up and down, is no noise
_TAIL = 0.02  # a fall over the last quarter of the epochs that promises more


def diagnose(
    history: Sequence[Mapping[str, Any]], constant_guess_loss: float, stopped_early: bool
) -> list[Diagnosis]:
    """Looks for known trouble in a finished run.

    Args:
      history: One entry per epoch with `loss` and `val_loss`.
      constant_guess_loss: The loss on train of always predicting the label's distribution.
      stopped_early: Whether early stopping ended the run.

    Returns:
      What was found; nothing for a healthy run.
    """
    loss = [_number(entry["loss"]) for entry in history]
    val_loss = [_number(entry["val_loss"]) for entry in history]
    if not all(map(math.isfinite, [*loss, *val_loss])):
        return [_not_a_number(loss, val_loss)]
    diagnoses = [
        _not_falling(loss, constant_guess_loss),
        _oscillating(loss, "train"),
        _overfitting(loss, val_loss),
        None if stopped_early else _underfitting(val_loss),
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


def _not_falling(loss: list[float], constant_guess: float) -> Diagnosis | None:
    if len(loss) < 2:
        return None
    least = min(loss)
    stuck = min(loss[1:]) > (1 - _FLAT) * loss[0]
    if not stuck or least < (1 - _FLAT) * constant_guess:
        return None
    return Diagnosis(
        name="loss not falling",
        evidence=f"loss {loss[0]:.4g} in epoch 1 and {least:.4g} at best in {len(loss)} epochs; "
        f"always predicting the label's distribution costs {constant_guess:.4g}",
        remedy="raise the learning rate by three to ten, check that the features can tell the "
        "label, and lower dropout, l1 and l2",
    )


def _oscillating(values: list[float], split: str) -> Diagnosis | None:
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
        evidence=f"{split}'s loss turned {turns} times in {len(values)} epochs, "
        f"by {swing / level:.0%} of its level on average",
        remedy="lower the learning rate by three to ten, or raise training.batch_size",
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
        remedy="raise training.epochs or the learning rate, or use more units",
    )
