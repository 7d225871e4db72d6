"""Keys of all rows, in memory or, where there are many rows, in partitions on disk.

Equal keys lie in one partition, so that what comes again is found one partition at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from contracts.arrays import Array

_BITS = 6
_BUFFERED_ROWS = 1 << 19


@dataclass
class RowStore:
    """Records by split, in partitions by the first bits of a key.

    Attributes:
      dtype: Of the records.
      key: The field of the key, 64 bits without a sign.
      folder: Where the partitions lie; None keeps one of them in memory.
    """

    dtype: np.dtype[Any]
    key: str
    folder: Path | None = None
    _parts: dict[str, list[Array]] = field(default_factory=dict)
    _buffered: int = 0

    def add(self, split: str, records: Array) -> None:
        """Keeps records, in the order in which they come."""
        self._parts.setdefault(split, []).append(records)
        self._buffered += len(records)
        if self.folder is not None and self._buffered >= _BUFFERED_ROWS:
            self._flush(self.folder)

    def partitions(self) -> Iterator[dict[str, Array]]:
        """Gives the records by split, partition after partition, in the order of the keys."""
        if self.folder is None:
            yield {split: self._joined(split) for split in self._parts}
            return
        self._flush(self.folder)
        for place in range(1 << _BITS):
            yield {split: self._read(self.folder / split / f"{place}") for split in self._parts}

    def chunks(self, split: str) -> Iterator[Array]:
        """Gives all records of a split, some at a time."""
        if self.folder is None:
            yield from self._parts.get(split, [])
            return
        self._flush(self.folder)
        for path in sorted((self.folder / split).glob("*")):
            records = np.memmap(path, self.dtype, mode="r")
            for start in range(0, len(records), _BUFFERED_ROWS):
                yield np.asarray(records[start : start + _BUFFERED_ROWS])

    def _joined(self, split: str) -> Array:
        return np.concatenate([np.zeros(0, self.dtype), *self._parts[split]])

    def _read(self, path: Path) -> Array:
        return np.fromfile(path, self.dtype) if path.is_file() else np.zeros(0, self.dtype)

    def _flush(self, folder: Path) -> None:
        for split in self._parts:
            records = self._joined(split)
            self._parts[split] = []
            (folder / split).mkdir(parents=True, exist_ok=True)
            places = (records[self.key] >> np.uint64(64 - _BITS)).astype(np.uint8)
            order = np.argsort(places, kind="stable")
            ends = np.searchsorted(places[order], np.arange(1, 1 << _BITS))
            for place, part in enumerate(np.split(records[order], ends)):
                if len(part):
                    with (folder / split / f"{place}").open("ab") as file:
                        part.tofile(file)
        self._buffered = 0
