"""Counters and histograms under TensorFlow Serving's names, in Prometheus's text form."""

from __future__ import annotations

import bisect
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from contracts.files import read_json, write_atomically

_PREFIX = ":tensorflow:serving:"
REQUEST_COUNT = f"{_PREFIX}request_count"
REQUEST_LATENCY = f"{_PREFIX}request_latency"
RUNTIME_LATENCY = f"{_PREFIX}runtime_latency"
WARMUP_LATENCY = f"{_PREFIX}model_warmup_latency"
LOAD_LATENCY = ":tensorflow:cc:saved_model:load_latency"
LOAD_COUNT = ":tensorflow:cc:saved_model:load_attempt_count"

# Microseconds: 10 times powers of 1.8, as TensorFlow Serving has them.
BOUNDS = tuple(10 * 1.8**power for power in range(33))

CODES = {
    200: "OK",
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "CANCELLED",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Counts of durations by size, from any thread."""

    __slots__ = ("_lock", "counts", "total")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, microseconds: float) -> None:
        """Counts one duration."""
        # A bucket takes what is below its bound.
        bucket = bisect.bisect_right(BOUNDS, microseconds)
        with self._lock:
            self.counts[bucket] += 1
            self.total += microseconds


class Metrics:
    """All that one process counted."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, Labels], float] = {}
        self._histograms: dict[tuple[str, Labels], Histogram] = {}

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Adds to a counter."""
        key = (name, tuple(labels.items()))
        self._counters[key] = self._counters.get(key, 0) + by

    def set_count(self, name: str, value: float) -> None:
        """Sets a counter to what was counted elsewhere."""
        self._counters[name, ()] = value

    def counted(self, name: str) -> float:
        """The value of a counter without labels."""
        return self._counters.get((name, ()), 0.0)

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The histogram of these labels, which hot code keeps hold of."""
        return self._histograms.setdefault((name, tuple(labels.items())), Histogram())

    def to_json(self) -> dict[str, Any]:
        """All counts, for another process to add to its own."""
        return {
            "counters": [[name, labels, value] for (name, labels), value in self._counters.items()],
            "histograms": [
                [name, labels, one.counts, one.total]
                for (name, labels), one in self._histograms.items()
            ],
        }

    def add(self, counted: Mapping[str, Any]) -> None:
        """Adds what another process counted, as its `to_json` gave it."""
        for name, labels, value in counted["counters"]:
            self.count(name, value, **dict(labels))
        for name, labels, counts, total in counted["histograms"]:
            one = self.histogram(name, **dict(labels))
            one.counts = [mine + theirs for mine, theirs in zip(one.counts, counts, strict=True)]
            one.total += total

    def text(self, gauges: Iterable[tuple[str, Labels, float]] = ()) -> str:
        """Prometheus's text form.

        Args:
          gauges: What has a value now rather than a count.
        """
        lines: list[str] = []
        rows = [
            (name, "counter", labels, value) for (name, labels), value in self._counters.items()
        ]
        rows += [(name, "gauge", labels, value) for name, labels, value in gauges]
        family = ""
        for name, kind, labels, value in sorted(rows):
            if name != family:
                lines.append(f"# TYPE {name} {kind}")
                family = name
            lines.append(f"{name}{{{_labels(labels)}}} {_number(value)}")
        for (name, labels), one in sorted(self._histograms.items(), key=lambda item: item[0]):
            if name != family:
                lines.append(f"# TYPE {name} histogram")
                family = name
            lines += _histogram_lines(name, _labels(labels), one)
        return "\n".join(lines) + "\n"


class SharedMetrics:
    """The counts of all workers, those of dead ones too: each keeps a file in one folder.

    Args:
      metrics: What this process counts.
      folder: The folder; None where this process is the only one.
      worker: This process's name, new for every process.
    """

    def __init__(self, metrics: Metrics, folder: Path | None, worker: str) -> None:
        self.metrics = metrics
        self._folder = folder
        self._worker = worker

    def save(self) -> None:
        """Lets the others see this process's counts."""
        if self._folder is not None:
            write_atomically(self._file(), json.dumps(self.metrics.to_json()))

    def total(self) -> Metrics:
        """The counts of all: this process's as they are, the others' as they last saved them."""
        total = Metrics()
        total.add(self.metrics.to_json())
        if self._folder is not None:
            for path in sorted(self._folder.glob("metrics-*.json")):
                if path != self._file():
                    total.add(read_json(path))
        return total

    def _file(self) -> Path:
        assert self._folder is not None
        return self._folder / f"metrics-{self._worker}.json"


def _histogram_lines(name: str, labels: str, one: Histogram) -> Iterable[str]:
    seen = 0
    for bound, count in zip((*map(_number, BOUNDS), "+Inf"), one.counts, strict=True):
        seen += count
        yield f'{name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}} {seen}'
    yield f"{name}_sum{{{labels}}} {_number(one.total)}"
    yield f"{name}_count{{{labels}}} {seen}"


def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(round(value, 3))
