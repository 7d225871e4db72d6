"""What the parts of an image or a text add to a score: how much it falls without each."""

from __future__ import annotations

import numpy as np

from contracts.arrays import Array
from models.content.kind import Occlusion
from models.export.explanation import score_of
from models.export.loaded_model import Columns, LoadedModel

_LEAST = 1e-6


def weigh_parts(
    model: LoadedModel, row: Columns, name: str, occlusion: Occlusion, target: int | None
) -> list[float]:
    """Predicts a row without each part of one of its values.

    Args:
      model: The model.
      row: The inputs of `serving_default`, one row.
      name: The input whose parts are covered.
      occlusion: The value without each of its parts.
      target: The class whose log-odds are explained; None for two classes and for regression.

    Returns:
      What each part adds to the log-odds, or to the prediction.
    """
    values = np.empty(1 + len(occlusion.covered), object)
    values[0] = row[name][0]
    values[1:] = occlusion.covered
    if row[name].ndim > 1:
        values = np.stack(values.tolist())
    columns = {key: np.repeat(column, len(values), axis=0) for key, column in row.items()}
    scores = _scores(model, {**columns, name: values}, target)
    weights: list[float] = (scores[0] - scores[1:]).tolist()
    return weights


def _scores(model: LoadedModel, columns: Columns, target: int | None) -> Array:
    if model.is_explainable:
        return np.asarray(score_of(model, model.score(model.encode(columns)), target), np.float64)
    predicted = model.predict(columns).astype(np.float64)
    if model.encoding.task == "forecast":
        return np.asarray(score_of(model, predicted, target))
    if model.encoding.task == "regression":
        return predicted
    if predicted.ndim == 2:
        predicted = predicted[:, target or 0]
    chance = np.clip(predicted, _LEAST, 1 - _LEAST)
    return np.log(chance) - np.log1p(-chance)
