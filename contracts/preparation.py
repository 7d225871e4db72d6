"""Raw columns to a model file's inputs: what a SavedModel's transform graph does, in numpy.

The constants come from `artifact.json`. All numbers go through one matrix, a feature a row,
so that one request costs a handful of numpy calls however many features there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from contracts.columns import MISSING_INT, MISSING_TOKEN, indicator_name
from contracts.names import serving_name

Array = np.ndarray[Any, Any]

_TOO_LARGE = np.float32(2**63)
_NAN = np.float32("nan")
_NEEDS = {
    "numeric": ("filler",),
    "boolean": ("filler",),
    "cyclic": ("angle",),
    "categorical": ("vocabulary",),
    "vocabulary": ("vocabulary",),
}


class RawFeature(BaseModel):
    """How one raw column becomes a feature, as `artifact.json` has it.

    Attributes:
      column: The raw column.
      kind: The feature's type.
      raw: The raw column's type.
      missing_indicator: Whether a second feature says that the value is missing.
      filler: Stands in for a missing number.
      low: The least number; a lesser one is taken for it.
      high: The greatest number; a greater one is taken for it.
      log: Whether the number becomes the logarithm of 1 + the number, mirrored below 0.
      quantiles: Rising numbers, between which `scores` are interpolated.
      scores: What `quantiles` become.
      offset: Is taken from the number.
      scale: Divides what is left.
      angle: Turns a number on a circle into radians.
      vocabulary: The words by id; any other word has the id that comes after them.
    """

    model_config = ConfigDict(frozen=True)

    column: str
    kind: Literal["numeric", "categorical", "vocabulary", "cyclic", "boolean"]
    raw: Literal["int64", "float32", "string"]
    missing_indicator: bool = False
    filler: float | None = None
    low: float | None = None
    high: float | None = None
    log: bool = False
    quantiles: tuple[float, ...] | None = None
    scores: tuple[float, ...] | None = None
    offset: float | None = None
    scale: float | None = None
    angle: float | None = None
    vocabulary: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _complete(self) -> RawFeature:
        lacking = [name for name in _NEEDS[self.kind] if getattr(self, name) is None]
        pairs = (("offset", "scale"), ("low", "high"), ("quantiles", "scores"))
        for pair in pairs:
            absent = [name for name in pair if getattr(self, name) is None]
            lacking += absent if len(absent) == 1 else []
        if len(self.quantiles or ()) != len(self.scores or ()) or len(self.quantiles or "12") < 2:
            raise ValueError(f"{self.column!r} needs as many scores as quantiles, two at least")
        if lacking:
            raise ValueError(f"{self.column!r} is {self.kind} and lacks {' and '.join(lacking)}")
        if self.raw == "string" and self.vocabulary is None:
            raise ValueError(f"{self.column!r} holds text and is {self.kind}")
        return self

    @property
    def port(self) -> str:
        """The input's name: TensorFlow takes parameter names only, so a column's may differ."""
        return serving_name(self.column)

    @property
    def dtype(self) -> str:
        """The input's type: a number is float32 whatever it is in the data, as NaN is missing."""
        return "float32" if self.vocabulary is None else self.raw


class Preparation(BaseModel):
    """How raw columns become features, in the config's order."""

    model_config = ConfigDict(frozen=True)

    features: tuple[RawFeature, ...]

    @property
    def names(self) -> frozenset[str]:
        """The features that it gives."""
        indicators = [indicator_name(one.column) for one in self.features if one.missing_indicator]
        return frozenset([*(one.column for one in self.features), *indicators])


class RowPreparation:
    """Prepares columns as the transform graph does.

    Args:
      preparation: How each raw column becomes a feature.
    """

    def __init__(self, preparation: Preparation) -> None:
        features = preparation.features
        numbers = [one for one in features if one.vocabulary is None]
        self._ports = [one.port for one in numbers]
        self._whole = np.array([one.raw == "int64" for one in numbers], bool)[:, None]
        self._numeric = _Numeric(numbers)
        self._angles = _Rows(numbers, "cyclic")
        self._angle = self._angles.constants(lambda one: one.angle)
        self._flags = _Rows(numbers, "boolean")
        self._half = self._flags.constants(lambda one: one.filler)
        self._indicators = [
            (place, indicator_name(one.column))
            for place, one in enumerate(numbers)
            if one.missing_indicator
        ]
        self._ids = {
            one.column: (one.port, _IDS[one.raw](one.vocabulary))
            for one in features
            if one.vocabulary is not None
        }

    def __call__(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Gives the transformed features, float32 `[rows, width]` or ids int64 `[rows, 1]`.

        Args:
          columns: By input, `[rows]`: float32 with NaN for what is missing, int64, or an
            object array of bytes.
        """
        features: dict[str, Array] = {}
        if self._ports:
            features.update(self._prepare_numbers(columns))
        for column, (port, ids) in self._ids.items():
            features[column] = ids(columns[port])[:, None]
        return features

    def _prepare_numbers(self, columns: Mapping[str, Array]) -> dict[str, Array]:
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


def circle_points(angles: Array) -> Array:
    """The points `[..., 2]` on the unit circle at angles in radians."""
    points: Array = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return points


class _Rows:
    """The rows of the matrix that hold features of one kind."""

    def __init__(self, numbers: Sequence[RawFeature], kind: str) -> None:
        self._features = [one for one in numbers if one.kind == kind]
        self.places = [place for place, one in enumerate(numbers) if one.kind == kind]
        self.names = [one.column for one in self._features]

    def constants(self, constant: Callable[[RawFeature], float | None]) -> Array:
        """A constant of each, as a column."""
        return np.array([constant(one) for one in self._features], np.float32)[:, None]


class _Numeric:
    """Clips, fills and scales.

    An unscaled number loses 0 and is divided by 1, which is exact.
    """

    def __init__(self, numbers: Sequence[RawFeature]) -> None:
        self._rows = _Rows(numbers, "numeric")
        self._filler = self._rows.constants(lambda one: one.filler)
        self._offset = self._rows.constants(lambda one: one.offset or 0.0)
        self._scale = self._rows.constants(lambda one: 1.0 if one.scale is None else one.scale)
        low = self._rows.constants(lambda one: -np.inf if one.low is None else one.low)
        high = self._rows.constants(lambda one: np.inf if one.high is None else one.high)
        clips = np.isfinite(low).any()
        self._bounds = (low, high) if clips else None
        features = [one for one in numbers if one.kind == "numeric"]
        self._logs = [place for place, one in enumerate(features) if one.log]
        self._curves = [
            (place, np.array(one.quantiles, np.float32), np.array(one.scores, np.float32))
            for place, one in enumerate(features)
            if one.quantiles is not None
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


class _Lookup:
    """Words to ids; a word that is not in the vocabulary has the id after the last."""

    def __init__(self, ids: Mapping[Any, int], size: int) -> None:
        self._ids = ids
        self._size = size

    def __call__(self, column: Array) -> Array:
        found = map(self._ids.get, column.tolist(), repeat(self._size))
        return np.fromiter(found, np.int64, len(column))


def _text_ids(vocabulary: Sequence[str]) -> _Lookup:
    ids = {word.encode(): place for place, word in enumerate(vocabulary)}
    ids[b""] = ids.get(MISSING_TOKEN.encode(), len(vocabulary))
    return _Lookup(ids, len(vocabulary))


def _integer_ids(vocabulary: Sequence[str]) -> _Lookup:
    places = {word: place for place, word in enumerate(vocabulary)}
    missing = places.pop(MISSING_TOKEN, len(vocabulary))
    ids = {int(word): place for word, place in places.items() if _is_integer(word)}
    return _Lookup({**ids, MISSING_INT: missing}, len(vocabulary))


def _is_integer(word: str) -> bool:
    """Whether an integer is written so: "7", and not "07", which no integer is equal to."""
    return re.fullmatch(r"0|-?[1-9][0-9]*", word) is not None


class _FloatIds:
    """Floats are looked up as TensorFlow writes them in their short form."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._places = {word: place for place, word in enumerate(vocabulary)}
        self._size = len(vocabulary)

    def __call__(self, column: Array) -> Array:
        # By their bits: 0 and -0 are equal, and are not written alike.
        bits = np.ascontiguousarray(column, np.float32).view(np.int32)
        distinct, where = np.unique(bits, return_inverse=True)
        texts = [
            MISSING_TOKEN if value != value else f"{value:g}"  # noqa: PLR0124 - NaN
            for value in distinct.view(np.float32).tolist()
        ]
        ids = np.array([self._places.get(text, self._size) for text in texts], np.int64)
        return ids[where]


_IDS: Mapping[str, Callable[[Sequence[str]], Callable[[Array], Array]]] = {
    "string": _text_ids,
    "int64": _integer_ids,
    "float32": _FloatIds,
}
