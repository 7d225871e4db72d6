"""Raw columns as the baseline models take them, where no transform was learned yet."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from components.baseline_models.estimators import Rows
from components.data_gate.audit.cheap_model import columns_of
from components.data_gate.audit.columns import labels_of
from contracts.arrays import Array
from contracts.preparations.numbers import circle_points
from models.features.cyclic import CyclicSpec
from models.features.ports import InputSpec
from models.features.spec import FeaturesSpec


def raw_rows(
    table: pa.Table, names: list[str], problem: FeaturesSpec
) -> tuple[list[InputSpec], Rows]:
    """Encodes raw columns: categories by rank, numbers with their gaps filled and marked.

    The medians that fill gaps and the ranks are those of all rows given: a look at data, not
    a model to keep.

    Args:
      table: The columns and the label.
      names: The columns to use.
      problem: The task, the label and the features.
    """
    encoded, kinds = columns_of(table, names, problem), problem.raw_columns()
    ports: list[InputSpec] = []
    columns: dict[str, Array] = {}
    for place, name in enumerate(names):
        values, kind = encoded.values[:, place], kinds[name]
        if encoded.categorical[place]:
            ranks = values.astype(np.int64)[:, None]
            ports.append(InputSpec(name, "one_hot", int(ranks.max(initial=0)) + 1))
            columns[name] = ranks
            continue
        known = np.isfinite(values)
        filled = np.where(known, values, np.median(values[known]) if known.any() else 0.0)
        columns[name] = np.stack(_parts(filled, known, kind), axis=1).astype(np.float32)
        ports.append(InputSpec(name, "dense", columns[name].shape[1]))
    return ports, Rows(columns, labels_of(table, problem))


def _parts(filled: Array, known: Array, kind: object) -> list[Array]:
    missing = [] if known.all() else [(~known).astype(np.float64)]
    if isinstance(kind, CyclicSpec):
        return [*circle_points(filled * (2 * math.pi / kind.period)).T, *missing]
    return [filled, *missing]
