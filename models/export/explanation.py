"""Why a model says what it says: attributions of one row, and the importance of features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from models.export.encoding import BATCH_ROWS
from models.export.loaded_model import Columns, LoadedModel

_STEPS = (64, 256, 1024, 4096)
_TOLERANCE = 1e-3
_BATCH_VALUES = 1 << 22  # of permuted rows that are predicted at once


@dataclass(frozen=True)
class Attributions:
    """What each raw feature of one row adds to its score.

    Attributes:
      score: The row's score: log-odds of the class, or the prediction for regression.
      reference_score: The score of the reference, the mean encoded row of rows of val.
      by_feature: What each feature adds; together with `residual`, the difference of the two.
      residual: What the numerical integration leaves unexplained.
      steps: Points of the integration.
    """

    score: float
    reference_score: float
    by_feature: dict[str, float]
    residual: float
    steps: int


def integrated_gradients(
    model: LoadedModel, encoded: Array, target: int | None = None
) -> Attributions:
    """Integrated gradients (Sundararajan et al., 2017) of one encoded row.

    The gradient of the score is averaged on the straight line from the model's mean row to
    the row, in as many points as it takes until the attributions add up.

    Args:
      model: The model.
      encoded: The row, `[width]`.
      target: The class whose log-odds are explained; needed for more than two classes.
    """
    start = np.asarray(model.encoding.reference, np.float32)
    way = np.asarray(encoded, np.float32) - start
    ends = score_of(model, tf.constant(model.score(np.stack([start, start + way]))), target).numpy()
    difference = float(ends[1]) - float(ends[0])
    for steps in _STEPS:
        places = (np.arange(steps, dtype=np.float32) + 0.5) / steps
        slopes = model.gradient(
            start + places[:, None] * way, lambda scores, _: score_of(model, scores, target)
        )
        parts = slopes.mean(axis=0, dtype=np.float64) * way
        residual = difference - float(parts.sum())
        if abs(residual) <= _TOLERANCE * max(1.0, abs(difference)):
            break
    return Attributions(
        score=float(ends[1]),
        reference_score=float(ends[0]),
        by_feature={
            entry.feature: float(parts[entry.start : entry.stop].sum())
            for entry in model.encoding.features
        },
        residual=residual,
        steps=steps,
    )


def score_of(model: LoadedModel, scores: Any, target: int | None) -> tf.Tensor:
    """One score a row: see `explained_scores`; of a forecast, the mean of its points.

    Args:
      model: What gave the scores.
      scores: What `LoadedModel.score` gives; of a forecast, what `predict` gives as well.
      target: The class that is explained.
    """
    about = model.encoding.forecast
    if about is None:
        return explained_scores(scores, target)
    scores = tf.convert_to_tensor(scores)
    levels = len(about.quantiles)
    horizon = scores.shape[1] // levels
    start = levels // 2 * horizon
    return tf.reduce_mean(scores[:, start : start + horizon], axis=1)


def explained_scores(scores: Any, target: int | None) -> tf.Tensor:
    """One score a row: of logits, the log-odds of the class against all others."""
    scores = tf.convert_to_tensor(scores)
    if scores.shape.rank == 1:
        return scores
    if scores.shape[1] == 1:
        return scores[:, 0]
    if target is None:
        raise ValueError("which of the classes is to be explained?")
    others = tf.concat([scores[:, :target], scores[:, target + 1 :]], axis=1)
    return scores[:, target] - tf.reduce_logsumexp(others, axis=1)


@dataclass(frozen=True)
class Importance:
    """What the metric loses when a feature is permuted.

    Attributes:
      feature: The raw feature.
      value: The mean drop over the repeats; positive is worse.
      low: The interval's lower end.
      high: The interval's upper end.
    """

    feature: str
    value: float
    low: float
    high: float


def permutation_importance(
    model: LoadedModel,
    encoded: Array,
    loss: Callable[[Array, Array], float],
    repeats: int,
    confidence: float,
    seed: int,
) -> list[Importance]:
    """Permutes each raw feature's encoded columns, and tells how much worse the model gets.

    Every repeat draws the rows anew, with replacement, and another permutation, so that
    the spread over the repeats holds the uncertainty of both; the interval is Student's.

    Args:
      model: The model.
      encoded: Encoded rows.
      loss: From places of rows and their predictions to a figure where more is worse.
      repeats: How often.
      confidence: Of the intervals.
      seed: Of all draws.

    Returns:
      One entry a feature, in the features' order.
    """
    names = [entry.feature for entry in model.encoding.features]

    def permuted(rows: Array, order: Array) -> Iterator[Array]:
        return _permuted_scores(model, encoded[rows], order)

    return _importance(names, loss, model.head(encoded), permuted, repeats, confidence, seed)


def raw_permutation_importance(
    model: LoadedModel,
    columns: Columns,
    features: Mapping[str, Sequence[str]],
    loss: Callable[[Array, Array], float],
    repeats: int,
    confidence: float,
    seed: int,
) -> list[Importance]:
    """Permutes the raw columns of each feature; see `permutation_importance`.

    It takes any kind of feature and any network, and runs the transform for each feature.

    Args:
      model: The model.
      columns: The inputs of `serving_default`.
      features: By feature, the inputs that it is made of.
      loss: From places of rows and their predictions to a figure where more is worse.
      repeats: How often.
      confidence: Of the intervals.
      seed: Of all draws.
    """

    def permuted(rows: Array, order: Array) -> Iterator[Array]:
        known = {name: column[rows] for name, column in columns.items()}
        for inputs in features.values():
            mixed = {name: known[name][order] for name in inputs}
            yield model.predict({**known, **mixed})

    before = model.predict(columns)
    return _importance(list(features), loss, before, permuted, repeats, confidence, seed)


def _importance(
    names: Sequence[str],
    loss: Callable[[Array, Array], float],
    predictions: Array,
    permuted: Callable[[Array, Array], Iterator[Array]],
    repeats: int,
    confidence: float,
    seed: int,
) -> list[Importance]:
    """Compares the loss of rows as they are with those that `permuted` gives, by feature."""
    generator = np.random.default_rng(seed)
    count = len(predictions)
    drops = np.empty([repeats, len(names)])
    for repeat in range(repeats):
        rows = generator.integers(0, count, count)
        order = generator.permutation(count)
        before = loss(rows, predictions[rows])
        for index, scores in enumerate(permuted(rows, order)):
            drops[repeat, index] = loss(rows, scores) - before
    value = drops.mean(axis=0)
    reach = _student(confidence, repeats) * drops.std(axis=0, ddof=1)
    return [
        Importance(name, *map(float, (value[i], value[i] - reach[i], value[i] + reach[i])))
        for i, name in enumerate(names)
    ]


def _permuted_scores(model: LoadedModel, known: Array, order: Array) -> Iterator[Array]:
    """Gives the predictions with each feature permuted, in the features' order.

    As many features as fill a batch share a call: where rows are few, the calls cost more
    than what they compute.
    """
    features = model.encoding.features
    rows = len(known)
    together = max(1, min(BATCH_ROWS // max(rows, 1), _BATCH_VALUES // max(known.size, 1)))
    for first in range(0, len(features), together):
        part = features[first : first + together]
        mixed = np.tile(known, (len(part), 1))
        for place, entry in enumerate(part):
            changed = mixed[place * rows : (place + 1) * rows, entry.start : entry.stop]
            changed[:] = known[order, entry.start : entry.stop]
        scores = model.head(mixed)
        yield from (scores[place * rows : (place + 1) * rows] for place in range(len(part)))


def _student(confidence: float, repeats: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.5 + confidence / 2, repeats - 1))
