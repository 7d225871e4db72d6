"""Worse inputs, made from good ones: whole columns at a time, never in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.columns import MISSING_INT, MISSING_TEXT
from evidence.config import (
    MissingSpec,
    NoiseSpec,
    UnitsSpec,
    UnseenSpec,
)
from models.stresses.kind import ValueStress

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]

# Values that no sane train set has, whatever the column's type.
UNSEEN_TEXT = "__unseen_by_train__"
UNSEEN_INT = -(2**62)
UNSEEN_FLOAT = -1.2345e30


@dataclass(frozen=True)
class Inputs:
    """The inputs of `serving_default` for some rows.

    Attributes:
      columns: By input name: float32 with NaN, int64 with `MISSING_INT`, or text.
      whole: The float32 inputs that stand for whole numbers.
    """

    columns: Columns
    whole: frozenset[str]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values())))


RawStress = NoiseSpec | MissingSpec | UnseenSpec | UnitsSpec | ValueStress


def perturb(
    stress: RawStress, inputs: Inputs, names: Sequence[str], generator: np.random.Generator
) -> Columns:
    """Gives the columns as they are under a stress.

    Args:
      stress: Any stress on raw values.
      inputs: The good inputs.
      names: The inputs that it falls on.
      generator: Of the random draws.
    """
    worse = dict(inputs.columns)
    change: Callable[[str], Array]
    if isinstance(stress, ValueStress):
        change = _changed_values(stress, inputs, generator)
    elif isinstance(stress, NoiseSpec):
        change = _noise(stress, inputs, generator)
    elif isinstance(stress, MissingSpec):
        change = _missing(stress, inputs, generator)
    elif isinstance(stress, UnseenSpec):
        change = _unseen(stress, inputs, generator)
    else:
        change = _units(stress, inputs, generator)
    worse.update({name: change(name) for name in names})
    return worse


def _changed_values(
    stress: ValueStress, inputs: Inputs, generator: np.random.Generator
) -> Callable[[str], Array]:
    def change(name: str) -> Array:
        return stress.apply(inputs.columns[name], generator)

    return change


def _noise(
    stress: NoiseSpec, inputs: Inputs, generator: np.random.Generator
) -> Callable[[str], Array]:
    def change(name: str) -> Array:
        values = inputs.columns[name]
        known = values[~np.isnan(values)]
        spread = float(known.std(dtype=np.float64)) if len(known) else 0.0
        noise = generator.normal(0.0, stress.scale * spread, inputs.rows)
        return _as_before(values + noise, name, inputs)

    return change


def _missing(
    stress: MissingSpec, inputs: Inputs, generator: np.random.Generator
) -> Callable[[str], Array]:
    gone: Mapping[str, Any] = {"f": np.nan, "i": MISSING_INT, "O": MISSING_TEXT}

    def change(name: str) -> Array:
        values = inputs.columns[name]
        return _replace(values, _some(stress.share, inputs, generator), gone[values.dtype.kind])

    return change


def _unseen(
    stress: UnseenSpec, inputs: Inputs, generator: np.random.Generator
) -> Callable[[str], Array]:
    strange: Mapping[str, Any] = {"f": UNSEEN_FLOAT, "i": UNSEEN_INT, "O": UNSEEN_TEXT}

    def change(name: str) -> Array:
        values = inputs.columns[name]
        return _replace(values, _some(stress.share, inputs, generator), strange[values.dtype.kind])

    return change


def _units(
    stress: UnitsSpec, inputs: Inputs, generator: np.random.Generator
) -> Callable[[str], Array]:
    # The same rows in every column: one source of the data measures otherwise.
    rows = _some(stress.share, inputs, generator)

    def change(name: str) -> Array:
        values = inputs.columns[name].astype(np.float64)
        swapped = np.where(rows, values * stress.factor + stress.offset, values)
        return _as_before(swapped, name, inputs)

    return change


def _some(share: float, inputs: Inputs, generator: np.random.Generator) -> Array:
    chosen: Array = generator.random(inputs.rows) < share
    return chosen


def _replace(values: Array, rows: Array, value: Any) -> Array:
    changed: Array = values.copy()
    changed[rows] = value
    return changed


def _as_before(values: Array, name: str, inputs: Inputs) -> Array:
    """float32 again, and whole where the raw column is: serving would cut, not round."""
    whole = np.rint(values) if name in inputs.whole else values
    return np.asarray(whole, np.float32)
