"""Loads a SavedModel for `mlflow.pyfunc`.

A copy of this file is kept beside each model in MLflow, where Kelp is not installed: it
imports nothing of ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

# How the inputs of `serving_default` say that a value is missing; a number is NaN.
MISSING_TEXT = ""
MISSING_INTEGER = -(2**63)


class Predictor:
    """Calls `serving_default` with the columns of a data frame."""

    def __init__(self, folder: str) -> None:
        """Loads the model.

        Args:
          folder: The SavedModel.
        """
        import tensorflow as tf

        # The function alone would not keep the variables alive.
        self._model = tf.saved_model.load(folder)
        self._serve = self._model.signatures["serving_default"]
        self._inputs = self._serve.structured_input_signature[1]

    def predict(self, data: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Gives the outputs, on the index of `data`; a missing value may be None or NaN."""
        import tensorflow as tf

        del params  # the model takes none
        columns = {
            name: tf.constant(_values(data[name], spec.dtype.as_numpy_dtype), spec.dtype)
            for name, spec in self._inputs.items()
        }
        answers = {name: answer.numpy() for name, answer in self._serve(**columns).items()}
        return pd.DataFrame(
            {name: _column(answer) for name, answer in sorted(answers.items())}, index=data.index
        )


def _values(column: pd.Series[Any], kind: Any) -> np.ndarray[Any, Any]:
    missing = column.isna().to_numpy()
    if not np.issubdtype(kind, np.number):
        return column.astype(object).mask(missing, MISSING_TEXT).to_numpy()
    if np.issubdtype(kind, np.floating):
        return pd.to_numeric(column.astype(object).mask(missing, np.nan)).to_numpy(kind)
    return pd.to_numeric(column.astype(object).mask(missing, MISSING_INTEGER)).to_numpy(kind)


def _column(answer: np.ndarray[Any, Any]) -> Any:
    if answer.ndim > 1:
        return answer.tolist()
    return answer.astype(str) if answer.dtype == object else answer


def _load_pyfunc(path: str) -> Predictor:
    """What MLflow calls."""
    return Predictor(path)
