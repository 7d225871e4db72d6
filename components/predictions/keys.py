"""Which raw columns stand beside the predictions: those that rows can be sliced by."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from contracts.spec import Spec
from models.features.spec import FeaturesSpec


class KeysSpec(Spec):
    """The columns that slices, fairness and the bootstrap may need.

    Attributes:
      named: Those that the config names.
      search: Whether weak slices are searched for in all columns.
      min_rows: The fewest rows of a slice.
      left_out: The columns whose kinds of feature offer no slices.
    """

    named: tuple[str, ...] = ()
    search: bool = True
    min_rows: int = Field(1, ge=1)
    left_out: tuple[str, ...] = ()


def slice_keys(table: pa.Table, spec: KeysSpec) -> pa.Table:
    """Keeps the columns that are named, and those that a search can find a slice in.

    A text without a value that comes often enough, such as an id or a sentence, makes no
    slice: it stays in the examples.
    """
    kept = [
        name
        for name in table.column_names
        if name in spec.named
        or (spec.search and name not in spec.left_out and _makes_slices(table[name], spec.min_rows))
    ]
    return table.select(kept)


def add_figures(table: pa.Table, problem: FeaturesSpec, spec: KeysSpec) -> pa.Table:
    """Puts the figures of images, texts and windows in the place of these.

    Of the figures, those are computed that the config names, and all where slices are searched
    for. A raw column that is named is kept.
    """
    kinds, figures = problem.raw_columns(), problem.slice_figures()
    added: dict[str, pa.Array] = {}
    for column in dict.fromkeys(figures.values()):
        wanted = {
            name
            for name, source in figures.items()
            if source == column and name not in table.column_names
        }
        if not spec.search:
            wanted &= set(spec.named)
        if wanted:
            values = kinds[column].figures(table[column])
            named = {f"{column}_{figure}": given for figure, given in values.items()}
            added |= {name: given for name, given in named.items() if name in wanted}
    dropped = [
        name for name in spec.left_out if name in table.column_names and name not in spec.named
    ]
    table = table.drop_columns(dropped)
    for name, given in added.items():
        table = table.append_column(name, given)
    return table


def _makes_slices(column: pa.ChunkedArray, min_rows: int) -> bool:
    if not pa.types.is_string(column.type):
        return True
    counts = pc.value_counts(column)
    most = pc.max(counts.field("counts")).as_py() if len(counts) else 0
    return bool(most >= min_rows)
