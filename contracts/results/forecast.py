"""What forecasts are measured by, beside their labels."""

from __future__ import annotations

from contracts.results.files import Result


class ForecastFacts(Result):
    """What a model that forecasts says of itself.

    Attributes:
      quantiles: The levels that it gives for each step, in rising order.
      seasonal_error: The mean absolute error of the seasonal naive forecast on train; None
        where the config names no history and season.
    """

    quantiles: tuple[float, ...]
    seasonal_error: float | None = None
