"""Rows of a long table in order of series and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.histogram import Ints
from components.example_gen.series.spread import ORDER, SERIES, TIME


@dataclass(frozen=True)
class SeriesRows:
    """Rows in order of series and time.

    Attributes:
      table: All columns.
      names: The series.
      codes: By row, the place of its series among them.
      times: By row.
    """

    table: pa.Table
    names: pa.Array
    codes: Ints
    times: Ints

    def taken(self, places: Ints) -> SeriesRows:
        """Some of the rows."""
        table = self.table.take(pa.array(places))
        return SeriesRows(table, self.names, self.codes[places], self.times[places])

    def name(self, row: int) -> str:
        """The series of a row."""
        return str(self.names[int(self.codes[row])])


def in_order(table: pa.Table) -> SeriesRows:
    """Sorts rows by series, time and hash: of several at one time, which comes first is settled."""
    names = table[SERIES].cast(pa.string())
    table = table.set_column(table.column_names.index(SERIES), SERIES, names)
    keys = [(name, "ascending") for name in (SERIES, TIME, ORDER)]
    table = table.take(pc.sort_indices(table, sort_keys=keys))
    ids = table[SERIES].combine_chunks().dictionary_encode()
    codes = ids.indices.to_numpy().astype(np.int64)
    return SeriesRows(table, ids.dictionary, codes, table[TIME].to_numpy())
