"""How often a label is wrong where everything else is certain: a logistic curve with noise.

The observed label of a row with score g is 1 with probability

    r0 + (1 - r0 - r1) * sigmoid(g)

where r0 is how often a true 0 is given as 1, and r1 how often a true 1 is given as 0. Rows
that are merely hard to tell lie in the middle of the curve and do not raise its ends; wrong
labels do, however certain the rest of a row is. (Class-conditional noise is the same model
in the literature on noisy labels.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.data_gate.audit.columns import Floats

Terms = NDArray[np.float32]
Rates = Literal["none", "alike", "apart"]

_START = 0.02
_MOST = 0.45
_STEPS = 50
_HALVINGS = 10
_CLOSE = 1e-3
_SMALL = 1e-9
# Of the largest curvature: what is flatter is rounding.
_FLATTEST = 1e-12
# A rate of 0 would seem certain, as a single wrong label would contradict it: how sure the rates
# are is asked where they are at least this over the root of the rows. Drawn again and again, rates
# from 0 to 0.5 % vary by as much.
_LEAST = 0.25
# The two rates by the parameters that are fitted.
_PARAMETERS: Mapping[Rates, Floats] = {
    "none": np.zeros((2, 0)),
    "alike": np.ones((2, 1)),
    "apart": np.eye(2),
}


@dataclass(frozen=True)
class LabelNoise:
    """The two rates, and how sure they are.

    Attributes:
      low: r0, how often a true 0 is given as 1.
      high: r1, how often a true 1 is given as 0.
      covariance: Of the two.
      loss: How unlikely the labels are with them: minus the logarithm.
    """

    low: float
    high: float
    covariance: Floats
    loss: float

    def true_share(self, observed: float) -> float:
        """The share of true 1s among rows of which `observed` are given as 1."""
        share = (observed - self.low) / (1 - self.low - self.high)
        return float(np.clip(share, 0, 1))


@dataclass(frozen=True)
class _State:
    """One place on the way to the most likely parameters."""

    weights: Floats
    rates: Floats
    sigmoid: Floats
    chance: Floats
    loss: float


def fit_label_noise(
    terms: Terms, labels: Floats, ridge: Floats, rates: Rates = "apart"
) -> LabelNoise:
    """Finds score and rates that make the labels most likely, by Fisher scoring.

    Args:
      terms: `[rows, terms]`, standardised; the score is linear in them.
      labels: 0 or 1, both of them present.
      ridge: By term, the precision of its weight before anything is seen.
      rates: Whether each class has a rate, both have the same, or labels are never wrong.
    """
    parameters = _PARAMETERS[rates]
    with_constant = np.concatenate([terms, np.ones((len(terms), 1), np.float32)], axis=1)
    prior = np.append(ridge, _SMALL)
    start = np.zeros(len(prior))
    start[-1] = np.log(labels.mean() / (1 - labels.mean()))
    state = _at(with_constant, labels, prior, start, _START * parameters.sum(axis=1))
    damping = _CLOSE
    for _ in range(_STEPS):
        slope, bend = _derivatives(with_constant, labels, prior, state, parameters)
        better, damping = _step(
            with_constant, labels, prior, state, slope, bend, parameters, damping
        )
        gain = state.loss - better.loss
        state = better
        if gain < _CLOSE:
            break
    least = np.maximum(state.rates, _LEAST / np.sqrt(len(labels)))
    near = _at(with_constant, labels, prior, state.weights, least)
    _, bend = _derivatives(with_constant, labels, prior, near, parameters)
    weights = len(prior)
    of_rates = _inverse(bend)[weights:, weights:]
    covariance: Floats = np.asarray(parameters @ of_rates @ parameters.T, np.float64)
    return LabelNoise(float(state.rates[0]), float(state.rates[1]), covariance, state.loss)


def _inverse(bend: Floats) -> Floats:
    """The covariance that a curvature stands for: what the rows do not tell varies widely.

    A pseudo-inverse would call it certain, and rounding turns its variance negative.
    """
    values, vectors = np.linalg.eigh(bend)
    inverse: Floats = (vectors / np.maximum(values, _FLATTEST * values.max())) @ vectors.T
    return inverse


def _at(terms: Terms, labels: Floats, prior: Floats, weights: Floats, rates: Floats) -> _State:
    score = (terms @ weights.astype(np.float32)).astype(np.float64)
    sigmoid = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
    chance = np.clip(rates[0] + (1 - rates.sum()) * sigmoid, _SMALL, 1 - _SMALL)
    loss = -np.log(np.where(labels == 1, chance, 1 - chance)).sum()
    return _State(weights, rates, sigmoid, chance, float(loss + (prior * weights**2).sum() / 2))


def _derivatives(
    terms: Terms, labels: Floats, prior: Floats, state: _State, parameters: Floats
) -> tuple[Floats, Floats]:
    """The slope of the likelihood, and its expected curvature: weights first, then rates."""
    precision = 1 / (state.chance * (1 - state.chance))
    surprise = (labels - state.chance) * precision
    by_score = (1 - state.rates.sum()) * state.sigmoid * (1 - state.sigmoid)
    by_rate = np.stack([1 - state.sigmoid, -state.sigmoid], axis=1) @ parameters
    slope = np.concatenate(
        [
            terms.T @ (surprise * by_score).astype(np.float32) - prior * state.weights,
            by_rate.T @ surprise,
        ]
    )
    root = np.sqrt(precision)
    scaled = terms * (by_score * root).astype(np.float32)[:, None]
    tilted = by_rate * root[:, None]
    across = scaled.T @ tilted.astype(np.float32)
    bend = np.block([[scaled.T @ scaled + np.diag(prior), across], [across.T, tilted.T @ tilted]])
    return slope.astype(np.float64), bend.astype(np.float64)


def _step(
    terms: Terms, labels: Floats, prior: Floats, state: _State, slope: Floats, bend: Floats,
    parameters: Floats, damping: float,
) -> tuple[_State, float]:  # fmt: skip
    """A damped step uphill; the same place where none is better."""
    weights, count = len(prior), parameters.shape[1]
    free = np.ones(len(slope), bool)
    free[weights:] = (state.rates[:count] > 0) | (slope[weights:] > 0)
    kept = bend[np.ix_(free, free)]
    for _ in range(_HALVINGS):
        step = np.zeros(len(slope))
        step[free] = np.linalg.solve(kept + damping * np.diag(np.diag(kept) + _SMALL), slope[free])
        moved = np.clip(state.rates + parameters @ step[weights:], 0, _MOST)
        tried = _at(terms, labels, prior, state.weights + step[:weights], moved)
        if tried.loss < state.loss:
            return tried, damping / 10
        damping *= 10
    return state, damping
