"""The baseline models of a task, by name."""

from __future__ import annotations

from collections.abc import Mapping

from components.baseline_models.estimators import ESTIMATORS, Estimator, Problem
from components.baseline_models.forecasters import forecast_estimators


def estimators_of(problem: Problem) -> Mapping[str, Estimator]:
    """Those of a forecast, or those of every other task."""
    return forecast_estimators(problem) if problem.kind.form == "forecast" else ESTIMATORS
