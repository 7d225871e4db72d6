"""How often each value or bin of a column comes, block by block of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.data_gate.audit.columns import Floats, Ints, codes_of, numbers_of, row_hashes
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.whole import TRAIN

BINS = 20
_BLOCKS_PER_CELL = 64
_VALUES = 256


@dataclass(frozen=True)
class Blocks:
    """Rows in blocks: each of one split and one span, groups of the split's key whole.

    Chance moves blocks, not rows: the rows of a day share its weather, and count as one
    draw and not as hundreds.

    Attributes:
      of_row: The block of each row, splits one after the other.
      split: By block, the place of its split in `splits`.
      span: By block, its span; 0 where there are none.
      splits: The splits' names.
    """

    of_row: Ints
    split: Ints
    span: Ints
    splits: tuple[str, ...]


def blocks_of(data: AuditData) -> Blocks:
    """Cuts all rows into blocks, at most 64 of them a split and span."""
    splits = np.concatenate(
        [np.full(table.num_rows, place) for place, table in enumerate(data.tables.values())]
    )
    spans = np.concatenate([_spans(data, split) for split in data.tables])
    groups = np.concatenate([_groups(data, table) for table in data.tables.values()])
    keys = np.stack([splits, spans, groups.astype(np.int64)])
    found, of_row = np.unique(keys, axis=1, return_inverse=True)
    return Blocks(of_row.reshape(-1), found[0], found[1], tuple(data.tables))


def block_counts(data: AuditData, blocks: Blocks, name: str, categorical: bool) -> Floats:
    """Rows by block and value of one column: `[blocks, values]`, the last being missing."""
    columns = {split: table[name] for split, table in data.tables.items()}
    codes = _category_codes(columns) if categorical else _bin_codes(columns)
    values = int(codes.max(initial=0)) + 1
    cells = np.bincount(blocks.of_row * values + codes, minlength=len(blocks.split) * values)
    return cells.reshape(len(blocks.split), values).astype(np.float64)


def _spans(data: AuditData, split: str) -> Ints:
    places, runs = data.places_of(split), data.spans.get(split, ())
    counts = [count for _, count in runs]
    if not runs or sum(counts) != data.whole.rows[split]:
        return np.zeros(len(places), np.int64)
    spans = np.array([span for span, _ in runs], np.int64)
    return spans[np.searchsorted(np.cumsum(counts), places, side="right")]


def _groups(data: AuditData, table: pa.Table) -> Ints:
    """The block of each row within its split and span."""
    columns = data.split.columns if data.split.by == "key" else ()
    if columns and all(name in table.column_names for name in columns):
        dealt: Ints = (row_hashes(table, columns) % np.uint64(_BLOCKS_PER_CELL)).astype(np.int64)
    else:
        dealt = np.arange(table.num_rows) % _BLOCKS_PER_CELL
    return dealt


def _category_codes(columns: Mapping[str, pa.ChunkedArray]) -> Ints:
    """Commonest values first, rare ones together, missing last."""
    whole = codes_of(pa.chunked_array([chunk for one in columns.values() for chunk in one.chunks]))
    counts = whole.counts()[:-1]
    place = np.empty(whole.size, np.int64)
    place[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(counts)), _VALUES)
    place[-1] = min(len(counts), _VALUES + 1)
    return place[whole.codes]


def _bin_codes(columns: Mapping[str, pa.ChunkedArray]) -> Ints:
    """Bins between quantiles of train, or single values where there are few; missing last."""
    numbers = np.concatenate([numbers_of(column) for column in columns.values()])
    known = numbers_of(columns[TRAIN]) if TRAIN in columns else numbers
    known = known[np.isfinite(known)]
    edges = _edges(known) if len(known) else np.zeros(0)
    codes = np.searchsorted(edges, numbers, side="left")
    return np.where(np.isnan(numbers), len(edges) + 1, codes).astype(np.int64)


def _edges(known: Floats) -> Floats:
    """Upper ends of the bins; values above the last one are a bin too."""
    values = np.unique(known)
    if len(values) > BINS:
        values = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="lower"))
    return values
