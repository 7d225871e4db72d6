"""The config of time series: which columns they have, and which windows are cut from them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from components.example_gen.series.step import StepText
from contracts.spec import Spec

PAST, FUTURE = "_past", "_future"


class SeriesSpec(Spec):
    """Windows of a long table that has a row for each step of each series.

    A window starts at a step: its forecast is made there. The column `x` of the table gives
    `x_past`, a list of the `context` steps before the start, and, where it is among `known`,
    `x_future`, a list of the `horizon` steps from the start on. The label is a list of its own
    next `horizon` values; for a task that predicts one value, the one at the start. Every other
    column that a feature or a slice names is taken at the start.

    Attributes:
      time: The column of dates and times, or of whole numbers.
      id: The column that tells series apart; None where there is one.
      context: How many steps a window looks back.
      horizon: How many steps are predicted.
      stride: Every how many steps a window starts, counted from 1970-01-01T00:00 or from 0.
      step: The time between steps, a duration or, where times are whole numbers, one of them;
        None takes the one that comes most often.
      gap: How many steps are left out between splits; None for as many as `horizon`.
      known: Columns that are known in advance, such as a calendar or a weather forecast.
      static: Columns that do not change over time.
    """

    time: str
    id: str | None = None
    context: int = Field(ge=2, le=100_000)
    horizon: int = Field(ge=2, le=100_000)
    stride: int = Field(1, ge=1)
    step: StepText | Annotated[int, Field(ge=1)] | None = None
    gap: int | None = Field(None, ge=1)
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _gap_is_wide(self) -> SeriesSpec:
        if self.gap is not None and self.gap < self.horizon:
            raise ValueError(
                f"gap is {self.gap}: expected at least the horizon, {self.horizon}, so that what "
                "is predicted in one split is no part of another"
            )
        if self.id is not None and self.id == self.time:
            raise ValueError(
                f"Invalid id. Expected: another column than time. Received: {self.id!r}"
            )
        return self

    @property
    def steps_between(self) -> int:
        """How many steps are left out between splits."""
        return self.horizon if self.gap is None else self.gap

    def source(self, column: str, label: str) -> tuple[str, int, int]:
        """Where a list of a window comes from.

        Args:
          column: The list's column, such as `x_past`.
          label: The label's column.

        Returns:
          The column of the table, the first step relative to the start, and one past the last.
        """
        if column != label and column.endswith(PAST):
            return column.removesuffix(PAST), -self.context, 0
        name = column if column == label else column.removesuffix(FUTURE)
        return name, 0, self.horizon

    def length(self, columns: tuple[str, ...]) -> int | None:
        """How long the lists of a window feature are; None where they are none of a window."""
        if columns and all(name.endswith(PAST) for name in columns):
            return self.context
        if columns and all(name.endswith(FUTURE) for name in columns):
            return self.horizon
        return None


def complete_series(config: Any, takes_steps: bool) -> Any:
    """Fills in what follows from `data.series`: the steps of windows and label, the split.

    Args:
      config: The config as it is written; it is left as it is.
      takes_steps: Whether the task predicts a list of steps.
    """
    data = config.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("series"), dict):
        return config
    series, label = data["series"], config.get("label")
    lengths = {PAST: series.get("context"), FUTURE: series.get("horizon")}
    features = {
        name: _with_steps(name, feature, lengths)
        for name, feature in (config.get("features") or {}).items()
    }
    if takes_steps and isinstance(label, dict):
        label = {"steps": series.get("horizon"), **label}
    split = data.get("split") or {}
    if isinstance(split, dict):
        split = {"by": "time", "columns": [series.get("time")], **split}
    return {**config, "features": features, "label": label, "data": {**data, "split": split}}


def _with_steps(name: str, feature: Any, lengths: dict[str, Any]) -> Any:
    if not isinstance(feature, dict) or feature.get("type") != "window":
        return feature
    columns = feature.get("columns") or [name]
    for suffix, length in lengths.items():
        if length and all(str(column).endswith(suffix) for column in columns):
            return {"steps": length, **feature}
    return feature
