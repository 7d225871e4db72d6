"""What forecasts are measured by, beside their labels."""

from __future__ import annotations

from contracts.results.files import Result


class ForecastFacts(Result):
    """What a model that forecasts says of itself.

    Attributes:
      quantiles: The levels that it gives for each step, in rising order.
      seasonal_error: The mean absolute distance of train's values from those of the season
        before; None where the config names no history and season.
    """

    quantiles: tuple[float, ...]
    seasonal_error: float | None = None


class HorizonStep(Result):
    """What forecasts of one step of the horizon are worth, on test.

    Attributes:
      step: From 1: the next one.
      mae: The mean absolute error of the point forecast.
      low: The lower end of its interval; None where it cannot be computed.
      high: The upper end.
      coverage: The share of values between the outermost quantiles; None without quantiles.
    """

    step: int
    mae: float
    low: float | None = None
    high: float | None = None
    coverage: float | None = None


class ForecastExample(Result):
    """One window of test: what was forecast, and what came.

    Attributes:
      row: Its place among the rows of test that were looked at, from 0.
      rank: The share of windows with a smaller error.
      mae: Its mean absolute error.
      keys: Where it lies: its values of the columns of slices and blocks.
      actual: The label, step by step.
      levels: By quantile, the forecast of each step.
    """

    row: int
    rank: float
    mae: float
    keys: dict[str, int | float | str | None] = {}
    actual: list[float]
    levels: list[list[float]]


class ForecastEvidence(Result):
    """What was measured of forecasts beside the metrics.

    Attributes:
      quantiles: The levels.
      steps: By step of the horizon.
      baselines: By baseline model, its mean absolute error at each step.
      examples: From a good window to the worst.
    """

    quantiles: tuple[float, ...]
    steps: list[HorizonStep]
    baselines: dict[str, list[float]] = {}
    examples: list[ForecastExample] = []
