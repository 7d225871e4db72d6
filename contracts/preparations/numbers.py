"""Numbers: clipped, filled and scaled, put on a circle, or made a yes or no.

All numbers go through one matrix, a feature a row, so that one request costs a handful of
numpy calls however many features there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from contracts.arrays import Array
from contracts.columns import RawInput, indicator_name
from contracts.preparations.raw_feature import RawFeature

_TOO_LARGE = np.float32(2**63)
_NAN = np.float32("nan")
_WHOLE = (
    "Where raw is int64 and the feature has no vocabulary, drop the fraction of a number first."
)
_NUMERIC = (
    "numeric: one number. Where there are low and high: no less than low, no more than high. A "
    "missing one is filler. Where there is a scale: (number - offset) / scale, also for the filler."
)
_LOG = (
    "log: before it is scaled, also the filler: the natural logarithm of 1 + the number, and of a "
    "number below 0 minus the logarithm of 1 - the number."
)
_QUANTILES = (
    "quantiles: the number, or the filler, becomes a score. At or below the first quantile it is "
    "the first score, at or above the last one the last score. Else take the last quantile that is "
    "not above the number, and interpolate linearly from its score to that of the next quantile."
)
_CYCLIC = (
    "cyclic: two numbers, the sine before the cosine: sin(number * angle), cos(number * angle). "
    "Both are 0 where the number is missing."
)
_BOOLEAN = (
    "boolean: one number: 1 where the value is true or not 0, else 0, and filler where it is "
    "missing."
)


class NumberMatrix:
    """Prepares the columns of numbers.

    Args:
      features: How each raw column becomes a feature.
    """

    def __init__(self, features: Sequence[NumberFeature]) -> None:
        self._ports = [feature.port for feature in features]
        self._whole = np.array([feature.raw == "int64" for feature in features], bool)[:, None]
        self._numeric = _Numeric(_Rows(features, NumericFeature))
        self._angles = _Rows(features, CyclicFeature)
        self._angle = self._angles.constants(lambda feature: feature.angle)
        self._flags = _Rows(features, BooleanFeature)
        self._half = self._flags.constants(lambda feature: feature.filler)
        self._indicators = [
            (place, indicator_name(feature.column))
            for place, feature in enumerate(features)
            if feature.missing_indicator
        ]

    def __call__(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Gives float32 `[rows, width]` by feature."""
        matrix = np.stack([columns[port] for port in self._ports]).astype(np.float32, copy=False)
        # What no int64 holds becomes the least one when the graph casts it, which is "missing".
        outside = self._whole & (np.abs(matrix) >= _TOO_LARGE)
        matrix = np.where(np.isfinite(matrix) & ~outside, matrix, _NAN)
        matrix = np.where(self._whole, np.trunc(matrix), matrix)
        missing = np.isnan(matrix)
        features = self._numeric(matrix, missing)
        angles = matrix[self._angles.places] * self._angle
        circles = np.nan_to_num(circle_points(angles), nan=0.0)
        features.update(zip(self._angles.names, circles, strict=True))
        flags = matrix[self._flags.places]
        yes = np.where(np.isnan(flags), self._half, (flags != 0).astype(np.float32))
        features.update(zip(self._flags.names, yes[:, :, None], strict=True))
        indicators = missing.astype(np.float32)
        features.update({name: indicators[place][:, None] for place, name in self._indicators})
        return features


class NumberFeature(RawFeature):
    """A number: its input is float32 whatever it is in the data, as NaN is missing."""

    preparer = NumberMatrix

    raw: Literal["int64", "float32"]

    @property
    def input(self) -> RawInput:
        """A number."""
        return RawInput("float32")

    @property
    def rules(self) -> tuple[str, ...]:
        """What the kinds of numbers have in common."""
        return (_WHOLE,) if self.raw == "int64" else ()


class NumericFeature(NumberFeature):
    """A number that is clipped, filled and scaled.

    Attributes:
      filler: Stands in for a missing number.
      low: The least number; a lesser one is taken for it.
      high: The greatest number; a greater one is taken for it.
      log: Whether the number becomes the logarithm of 1 + the number, mirrored below 0.
      quantiles: Rising numbers, between which `scores` are interpolated.
      scores: What `quantiles` become.
      offset: Is taken from the number.
      scale: Divides what is left.
    """

    kind: Literal["numeric"]
    filler: float
    low: float | None = None
    high: float | None = None
    log: bool = False
    quantiles: tuple[float, ...] | None = None
    scores: tuple[float, ...] | None = None
    offset: float | None = None
    scale: float | None = None

    @model_validator(mode="after")
    def _complete(self) -> NumericFeature:
        lacking: list[str] = []
        for pair in (("offset", "scale"), ("low", "high"), ("quantiles", "scores")):
            absent = [name for name in pair if getattr(self, name) is None]
            lacking += absent if len(absent) == 1 else []
        if lacking:
            raise ValueError(f"{self.column!r} lacks {' and '.join(lacking)}")
        if len(self.quantiles or ()) != len(self.scores or ()) or len(self.quantiles or "12") < 2:
            raise ValueError(f"{self.column!r} needs as many scores as quantiles, two at least")
        return self

    @property
    def rules(self) -> tuple[str, ...]:
        """In the order in which they apply."""
        log = (_LOG,) if self.log else ()
        return (*super().rules, _NUMERIC, *log, *((_QUANTILES,) if self.quantiles else ()))


class CyclicFeature(NumberFeature):
    """A number on a circle.

    Attributes:
      angle: Turns the number into radians.
    """

    kind: Literal["cyclic"]
    angle: float

    @property
    def rules(self) -> tuple[str, ...]:
        """Sine and cosine."""
        return (*super().rules, _CYCLIC)


class BooleanFeature(NumberFeature):
    """A yes or no.

    Attributes:
      filler: Stands in for a missing value.
    """

    kind: Literal["boolean"]
    filler: float

    @property
    def rules(self) -> tuple[str, ...]:
        """0 or 1."""
        return (*super().rules, _BOOLEAN)


def circle_points(angles: Array) -> Array:
    """The points `[..., 2]` on the unit circle at angles in radians."""
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1)


class _Rows:
    """The rows of the matrix that hold features of one kind."""

    def __init__(self, numbers: Sequence[NumberFeature], kind: type[NumberFeature]) -> None:
        places = [place for place, number in enumerate(numbers) if isinstance(number, kind)]
        self.features: list[Any] = [numbers[place] for place in places]
        self.places = places
        self.names = [feature.column for feature in self.features]

    def constants(self, constant: Callable[[Any], float]) -> Array:
        """A constant of each, as a column."""
        return np.array([constant(feature) for feature in self.features], np.float32)[:, None]


class _Numeric:
    """Clips, fills and scales.

    An unscaled number loses 0 and is divided by 1, which is exact.
    """

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows
        self._filler = rows.constants(lambda feature: feature.filler)
        self._offset = rows.constants(lambda feature: feature.offset or 0.0)
        self._scale = rows.constants(
            lambda feature: 1.0 if feature.scale is None else feature.scale
        )
        low = rows.constants(lambda feature: -np.inf if feature.low is None else feature.low)
        high = rows.constants(lambda feature: np.inf if feature.high is None else feature.high)
        self._bounds = (low, high) if np.isfinite(low).any() else None
        self._logs = [place for place, feature in enumerate(rows.features) if feature.log]
        self._curves = [
            (place, np.array(feature.quantiles, np.float32), np.array(feature.scores, np.float32))
            for place, feature in enumerate(rows.features)
            if feature.quantiles is not None
        ]

    def __call__(self, matrix: Array, missing: Array) -> dict[str, Array]:
        places = self._rows.places
        numbers = matrix[places]
        if self._bounds is not None:
            numbers = np.clip(numbers, *self._bounds)
        filled = np.where(missing[places], self._filler, numbers)
        if self._logs:
            logs = filled[self._logs]
            filled[self._logs] = np.sign(logs) * np.log1p(np.abs(logs))
        scaled = (filled - self._offset) / self._scale
        for place, quantiles, scores in self._curves:
            scaled[place] = _interpolate(filled[place], quantiles, scores)
        return dict(zip(self._rows.names, scaled[:, :, None], strict=True))


def _interpolate(values: Array, points: Array, scores: Array) -> Array:
    """As the graph does it, in float32: see models/features/quantiles.py."""
    place = np.clip(np.searchsorted(points, values, side="right"), 1, len(points) - 1)
    below, low = points[place - 1], scores[place - 1]
    width = points[place] - below
    share = (values - below) / np.where(width > 0, width, np.float32(1.0))
    score: Array = low + (scores[place] - low) * np.clip(share, np.float32(0.0), np.float32(1.0))
    return score
