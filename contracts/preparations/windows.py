"""Windows of series: missing steps filled, and scaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from contracts.arrays import Array
from contracts.columns import RawInput
from contracts.names import serving_name
from contracts.preparations.raw_feature import RawFeature

_IN_WORDS = (
    "window: put the lists of `columns`, each of `steps` numbers, beside each other: [rows, "
    "steps, columns]. Fill a missing step: with `previous`, by the last value before it, or by "
    "the first one where there is none before; with `linear`, on the line between its "
    "neighbours, or by the nearest value at an end; what is still missing, by `mean` of its "
    "column. Then, where there is a deviation: (number - mean) / deviation."
)
_NAN = np.float32("nan")


class WindowMatrices:
    """Fills and scales the windows of each feature.

    Args:
      features: How raw columns become features.
    """

    def __init__(self, features: Sequence[WindowFeature]) -> None:
        self._features = [
            (
                feature,
                [serving_name(column) for column in feature.columns],
                np.array(feature.mean, np.float32),
                None if feature.deviation is None else np.array(feature.deviation, np.float32),
            )
            for feature in features
        ]

    def __call__(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Gives float32 `[rows, steps, columns]` by feature."""
        windows: dict[str, Array] = {}
        for feature, ports, mean, deviation in self._features:
            raw = np.stack([columns[port] for port in ports], axis=2).astype(np.float32, copy=False)
            known = fill_steps(np.where(np.isfinite(raw), raw, _NAN), feature.fill)
            filled = np.where(np.isnan(known), mean, known)
            windows[feature.column] = filled if deviation is None else (filled - mean) / deviation
        return windows


class WindowFeature(RawFeature):
    """A window of one raw column or of several.

    Attributes:
      columns: The raw columns.
      steps: How long their lists are.
      fill: How missing steps are filled.
      mean: Of each column, on train.
      deviation: Of each column, on train; None where it is not scaled.
    """

    preparer = WindowMatrices

    kind: Literal["window"]
    raw: Literal["float32"]
    columns: tuple[str, ...] = Field(min_length=1)
    steps: int = Field(ge=2)
    fill: Literal["previous", "linear", "mean"]
    mean: tuple[float, ...]
    deviation: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _complete(self) -> WindowFeature:
        for moments in (self.mean, self.deviation):
            if moments is not None and len(moments) != len(self.columns):
                raise ValueError(f"{self.column!r} needs a mean and a deviation for each column")
        return self

    @property
    def raw_inputs(self) -> dict[str, RawInput]:
        """A list of numbers for each raw column."""
        return dict.fromkeys(self.columns, RawInput("float32", (self.steps,)))

    @property
    def rules(self) -> tuple[str, ...]:
        """How steps are filled and scaled."""
        return (_IN_WORDS,)


def fill_steps(windows: Array, fill: str) -> Array:
    """As the transform graph does it, in float32: see models/features/windows.py.

    Args:
      windows: `[rows, steps, columns]`, NaN where a step is missing.
      fill: `previous`, `linear` or `mean`, which fills nothing here.
    """
    if fill == "mean" or not np.isnan(windows).any():
        return windows
    before, after = _last_known(windows), _next_known(windows)
    if fill == "previous":
        return np.where(np.isnan(before), after, before)
    places = np.arange(windows.shape[1], dtype=np.float32)[None, :, None]
    known = np.where(np.isnan(windows), windows, places)
    start, end = _last_known(known), _next_known(known)
    with np.errstate(invalid="ignore", divide="ignore"):
        line = before + (after - before) * (places - start) / (end - start)
    between = np.where(np.isnan(windows), line, windows)
    ends = np.where(np.isnan(before), after, before)
    return np.where(np.isnan(between), ends, between)


def _last_known(windows: Array) -> Array:
    """The last value up to each step."""
    steps = np.arange(windows.shape[1])[None, :, None]
    places = np.maximum.accumulate(np.where(np.isnan(windows), -1, steps), axis=1)
    return np.take_along_axis(windows, np.maximum(places, 0), axis=1)


def _next_known(windows: Array) -> Array:
    return _last_known(windows[:, ::-1])[:, ::-1]
