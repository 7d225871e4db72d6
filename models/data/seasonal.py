"""The seasonal naive forecast on train, by whose error MASE is scaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow_transform as tft

from contracts.arrays import Array
from contracts.results.forecast import ForecastFacts
from models.data.dataset import Split
from models.data.transformed import input_specs
from models.encoders.windows.encoding import WindowEncoding
from models.features.ports import InputSpec
from models.features.spec import FeaturesSpec


def forecast_facts(
    problem: FeaturesSpec, graph: tft.TFTransformOutput, train: Split
) -> ForecastFacts | None:
    """What a model that forecasts says of itself; None for other tasks."""
    if not problem.quantiles:
        return None
    error = _seasonal_error(problem, input_specs(problem, graph), train)
    return ForecastFacts(quantiles=problem.quantiles, seasonal_error=error)


def _seasonal_error(
    problem: FeaturesSpec, inputs: Sequence[InputSpec], train: Split
) -> float | None:
    history = history_of(problem, inputs)
    if history is None or problem.label.season is None:
        return None
    season = problem.label.season
    total = count = 0.0
    for chunk in train.chunks.as_numpy_iterator():
        errors = seasonal_errors(history, chunk, chunk[train.label], season)
        total += float(errors.sum(dtype=np.float64))
        count += errors.size
    return total / count if count else None


def seasonal_errors(
    history: InputSpec, columns: Mapping[str, Array], labels: Array, season: int
) -> Array:
    """How far the steps of the first season of each horizon are from those of the one before.

    A later step has no own season before it.
    """
    first = labels[:, :season]
    errors: Array = np.abs(first - seasonal_naive(history, columns, season, first.shape[1]))
    return errors


def history_of(problem: FeaturesSpec, inputs: Sequence[InputSpec]) -> InputSpec | None:
    """The port of the label's own past; None where the config names none."""
    ports = (port for port in inputs if port.name == problem.label.history)
    return next((port for port in ports if isinstance(port.own, WindowEncoding)), None)


def past_values(history: InputSpec, columns: Mapping[str, Array]) -> Array:
    """The label's own past in its own unit, `[rows, steps]`."""
    own = history.encoding
    assert isinstance(own, WindowEncoding)
    window = columns[history.name][:, :, 0]
    past: Array = window * np.float32(own.scales[0]) + np.float32(own.offsets[0])
    return past


def seasonal_naive(
    history: InputSpec, columns: Mapping[str, Array], season: int, horizon: int
) -> Array:
    """For each step of the horizon, the last value of the same step of the season.

    Args:
      history: The port of the label's own past.
      columns: Transformed features.
      season: How many steps a season has.
      horizon: How many steps to forecast.
    """
    past = past_values(history, columns)
    places = past.shape[1] - season + np.arange(horizon) % season
    return past[:, places]
