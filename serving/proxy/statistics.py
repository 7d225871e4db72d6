"""What the versions of a release did with their requests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.release.state import CANARY, STABLE, Release

_SAMPLE = 4096
_MOST_SERIES = 16
_MOST_COLUMNS = 8
_LARGEST = 1e300


class Reservoir:
    """An even sample of all values so far, of bounded size.

    Args:
      draw: What decides which values stay.
      size: The most values to keep.
    """

    def __init__(self, draw: np.random.Generator, size: int = _SAMPLE) -> None:
        self._draw = draw
        self._kept = np.empty(size)
        self.count = 0

    def add(self, value: float) -> None:
        """Takes note of a value."""
        size = len(self._kept)
        at = self.count if self.count < size else int(self._draw.integers(self.count + 1))
        self.count += 1
        if at < size:
            self._kept[at] = value

    def values(self) -> list[float]:
        """The sample, in order of size."""
        return [float(f"{value:.7g}") for value in np.sort(self._kept[: self.count])]


class Figures:
    """What one version did.

    Args:
      seed: Of the samples.
    """

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self._statuses: Counter[int] = Counter()
        self._latency = Reservoir(self._draw)
        self._outputs: dict[str, Reservoir] = {}

    def add(self, status: int, latency_ms: float, answer: Any) -> None:
        """Takes note of a request.

        Args:
          status: Of the answer.
          latency_ms: How long it took.
          answer: Its JSON; None where it has none. Rows of one request may be alike, so that
            one of them counts, whichever the draw says.
        """
        self._statuses[status] += 1
        if status >= 400:
            return
        self._latency.add(latency_ms)
        for name, value in one_row(answer, self._draw.random()).items():
            if name in self._outputs or len(self._outputs) < _MOST_SERIES:
                self._outputs.setdefault(name, Reservoir(self._draw)).add(value)

    def to_json(self) -> dict[str, Any]:
        """All figures, samples included."""
        requests = sum(self._statuses.values())
        errors = sum(count for status, count in self._statuses.items() if status >= 400)
        return {
            "requests": requests,
            "errors": errors,
            "statuses": {str(status): count for status, count in sorted(self._statuses.items())},
            "latency_ms": _quantiles(self._latency),
            "outputs": {name: _quantiles(one) for name, one in sorted(self._outputs.items())},
        }


class ReleaseFigures:
    """The figures of both versions since a release became what it is.

    Attributes:
      release: The release that they are of.

    Args:
      name: The model.
      release: Its release.
    """

    def __init__(self, name: str, release: Release) -> None:
        self._name = name
        self.release = release
        self._labels = {STABLE: Figures(1), CANARY: Figures(2)}

    def add(self, label: str, status: int, latency_ms: float, answer: Any) -> None:
        """Takes note of a request to one of the versions."""
        self._labels[label].add(status, latency_ms, answer)

    def to_json(self) -> dict[str, Any]:
        """The page of the release."""
        return {
            "model": self._name,
            "release": self.release.model_dump(),
            "labels": {label: figures.to_json() for label, figures in self._labels.items()},
        }


def one_row(answer: Any, draw: float) -> dict[str, float]:
    """The numbers that one row of an answer has, by output, and by place where it has several.

    Args:
      answer: The JSON of an answer to `:predict`.
      draw: From 0 to 1: which of the rows.
    """
    if not isinstance(answer, Mapping):
        return {}
    rows = answer.get("predictions")
    if isinstance(rows, list):
        row = rows[int(draw * len(rows))] if rows else None
        return _numbers(row if isinstance(row, Mapping) else {"": row})
    outputs = answer.get("outputs")
    columns = outputs if isinstance(outputs, Mapping) else {"": outputs}
    lengths = {len(column) for column in columns.values() if isinstance(column, list)}
    if len(lengths) != 1 or not (length := lengths.pop()):
        return {}
    at = int(draw * length)
    return _numbers({key: one[at] for key, one in columns.items() if isinstance(one, list)})


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in row.items():
        several = isinstance(value, list)
        for place, one in enumerate(value[:_MOST_COLUMNS] if several else [value]):
            if isinstance(one, int | float) and not isinstance(one, bool):
                # NaN counts as the largest number: that a version begins to give it is a shift.
                bounded = _LARGEST if math.isnan(one) else max(-_LARGEST, min(_LARGEST, one))
                found[f"{name}[{place}]" if several else name] = float(bounded)
    return found


def _quantiles(sample: Reservoir) -> dict[str, Any]:
    return {"count": sample.count, "sample": sample.values()}
