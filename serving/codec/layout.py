"""How a signature's inputs lie in memory: scalar columns of one type in one matrix.

A model of twenty columns is called with three tensors instead of twenty, which is what
makes a call cheap. The matrix has one row a column, so that splitting it copies nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.codec.signature import Port, Signature


@dataclass(frozen=True)
class Layout:
    """Where each input of a signature lies.

    Attributes:
      groups: For each matrix the names of its columns, all of one type.
      dtypes: For each matrix the type.
      others: The inputs that are no plain columns, each an array of its own.
      places: For each column its matrix and its row in it.
    """

    groups: tuple[tuple[str, ...], ...]
    dtypes: tuple[str, ...]
    others: tuple[Port, ...]
    places: Mapping[str, tuple[int, int]]

    def pack(self, inputs: Mapping[str, np.ndarray]) -> Columns | None:
        """Lays separate arrays as this layout says; None where they do not fit it."""
        lengths = {len(inputs[name]) for names in self.groups for name in names}
        if len(lengths) > 1 or any(inputs[name].ndim != 1 for name in self.places):
            return None
        matrices = tuple(
            np.stack([inputs[name] for name in names]).astype(_numpy(dtype), copy=False)
            for names, dtype in zip(self.groups, self.dtypes, strict=True)
        )
        return Columns(self, matrices, {port.name: inputs[port.name] for port in self.others})


@dataclass(slots=True, eq=False)
class Columns(Mapping[str, np.ndarray]):
    """The inputs of one call by name, kept as a layout says.

    Attributes:
      layout: Where each input lies.
      matrices: One for each of the layout's groups.
      others: The other inputs by name.
    """

    layout: Layout
    matrices: Sequence[np.ndarray]
    others: Mapping[str, np.ndarray]

    def part(self, start: int, end: int) -> Columns:
        """Some of the rows; copies nothing."""
        return Columns(
            self.layout,
            [matrix[:, start:end] for matrix in self.matrices],
            {name: array[start:end] for name, array in self.others.items()},
        )

    def __getitem__(self, name: str) -> np.ndarray:
        place = self.layout.places.get(name)
        if place is None:
            return self.others[name]
        column: np.ndarray = self.matrices[place[0]][place[1]]
        return column

    def __iter__(self) -> Iterator[str]:
        yield from self.layout.places
        yield from self.others

    def __len__(self) -> int:
        return len(self.layout.places) + len(self.others)


def layout_of(signature: Signature) -> Layout:
    """Says where the inputs of a signature lie; the same for everyone who asks."""
    names: dict[str, list[str]] = {}
    for port in signature.inputs.values():
        if port.shape == (None,):
            names.setdefault(port.dtype, []).append(port.name)
    dtypes = tuple(sorted(names))
    groups = tuple(tuple(sorted(names[dtype])) for dtype in dtypes)
    places = {
        name: (group, row)
        for group, row_names in enumerate(groups)
        for row, name in enumerate(row_names)
    }
    others = tuple(port for port in signature.inputs.values() if port.name not in places)
    return Layout(groups, dtypes, others, places)


def join(parts: Sequence[Columns]) -> Columns:
    """Puts the rows of several calls one after another."""
    first = parts[0]
    if len(parts) == 1:
        return first
    matrices = [
        np.concatenate([part.matrices[group] for part in parts], axis=1)
        for group in range(len(first.matrices))
    ]
    others = {name: np.concatenate([part.others[name] for part in parts]) for name in first.others}
    return Columns(first.layout, matrices, others)


def _numpy(dtype: str) -> np.dtype[np.generic]:
    return Port("", dtype, None).numpy
