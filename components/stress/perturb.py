"""Worse inputs, made from good ones: whole columns at a time, never in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.columns import MISSING_INT, MISSING_TEXT
from evidence.config import MissingSpec, NoiseSpec, UnitsSpec, UnseenSpec
from models.stresses.kind import ValueStress

Columns = dict[str, Array]

# Values that no sane train set has, whatever the column's type.
UNSEEN_TEXT = "__unseen_by_train__"
UNSEEN_INT = -(2**62)
UNSEEN_FLOAT = -1.2345e30
# By the kind of the column's type.
_UNSEEN: Mapping[str, Any] = {"f": UNSEEN_FLOAT, "i": UNSEEN_INT, "O": UNSEEN_TEXT}
_GONE: Mapping[str, Any] = {"f": np.nan, "i": MISSING_INT, "O": MISSING_TEXT}


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
    if isinstance(stress, UnitsSpec):
        # The same rows in every column: one source of the data measures otherwise.
        rows = _some(stress.share, inputs, generator)
        changed = {name: _in_other_units(stress, rows, name, inputs) for name in names}
    else:
        changed = {name: _changed(stress, name, inputs, generator) for name in names}
    return {**inputs.columns, **changed}


def _in_other_units(stress: UnitsSpec, rows: Array, name: str, inputs: Inputs) -> Array:
    values = inputs.columns[name].astype(np.float64)
    swapped = np.where(rows, values * stress.factor + stress.offset, values)
    return _as_before(swapped, name, inputs)


def _changed(
    stress: NoiseSpec | MissingSpec | UnseenSpec | ValueStress,
    name: str,
    inputs: Inputs,
    generator: np.random.Generator,
) -> Array:
    values = inputs.columns[name]
    if isinstance(stress, ValueStress):
        return stress.apply(values, generator)
    if isinstance(stress, NoiseSpec):
        known = values[~np.isnan(values)]
        spread = float(known.std(dtype=np.float64)) if len(known) else 0.0
        noise = generator.normal(0.0, stress.scale * spread, inputs.rows)
        return _as_before(values + noise, name, inputs)
    value = (_GONE if isinstance(stress, MissingSpec) else _UNSEEN)[values.dtype.kind]
    changed: Array = values.copy()
    changed[_some(stress.share, inputs, generator)] = value
    return changed


def _some(share: float, inputs: Inputs, generator: np.random.Generator) -> Array:
    return generator.random(inputs.rows) < share


def _as_before(values: Array, name: str, inputs: Inputs) -> Array:
    """float32 again, and whole where the raw column is: serving would cut, not round."""
    whole = np.rint(values) if name in inputs.whole else values
    return np.asarray(whole, np.float32)
