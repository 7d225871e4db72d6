"""What is odd about the steps of series: counted while windows are cut, judged by the DataGate."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from pydantic import TypeAdapter

from components.example_gen.series.clock import Clock

_EXAMPLES = 3
_ODDITIES = ("unordered", "duplicates", "between", "missing")
_OF_COLUMNS = ("stuck", "spikes")


@dataclass
class Oddity:
    """One kind of odd rows or steps.

    Attributes:
      count: How many there are.
      examples: The first of them in order of time, each with its time and its series.
    """

    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)

    def add(self, count: int, examples: Iterable[tuple[int, str]]) -> None:
        """Counts some more."""
        self.count += count
        self.examples = sorted([*self.examples, *examples])[:_EXAMPLES]


@dataclass
class SeriesFindings:
    """What was found in a long table.

    Attributes:
      rows: How many rows it has.
      series: How many series.
      windows: How many windows were cut.
      step: The time between steps, in microseconds or in the unit of whole numbers.
      moments: Whether times are microseconds since 1970.
      unordered: Rows that come after a later one of their series.
      duplicates: Rows whose series has another row at that time.
      between: Rows that are at no step.
      missing: Steps without a row.
      stuck: By column, runs of equal values as long as a context.
      spikes: By column, single values far from both neighbours.
      gaps: Runs of such steps.
      longest_gap: The longest run.
      begins: Of series whose rows begin within a later part of the time, the name and the step.
      ends: Of series after whose rows an earlier part shows none, the same of the last row.
    """

    rows: int = 0
    series: int = 0
    windows: int = 0
    step: int = 0
    moments: bool = True
    unordered: Oddity = field(default_factory=Oddity)
    duplicates: Oddity = field(default_factory=Oddity)
    between: Oddity = field(default_factory=Oddity)
    missing: Oddity = field(default_factory=Oddity)
    stuck: dict[str, Oddity] = field(default_factory=dict)
    spikes: dict[str, Oddity] = field(default_factory=dict)
    gaps: int = 0
    longest_gap: int = 0
    begins: list[tuple[str, int]] = field(default_factory=list)
    ends: list[tuple[str, int]] = field(default_factory=list)

    def join_parts(self, clock: Clock) -> None:
        """Counts the gaps that no part of the time shows whole, and the series that begin late."""
        ends: dict[str, list[int]] = {}
        for name, step in sorted(self.ends):
            ends.setdefault(name, []).append(step)
        for name, step in sorted(self.begins):
            earlier = bisect_left(ends.get(name, []), step)
            if not earlier:
                self.series += 1
                continue
            last = ends[name][earlier - 1]
            self.add_gaps(step - last - 1, 1, step - last - 1, [(clock.time_of(last + 1), name)])
        self.begins, self.ends = [], []

    def add_gaps(
        self, missing: int, gaps: int, longest: int, examples: Iterable[tuple[int, str]]
    ) -> None:
        """Counts some more steps without a row."""
        self.missing.add(missing, examples)
        self.gaps += gaps
        self.longest_gap = max(self.longest_gap, longest)

    def add(self, other: SeriesFindings) -> None:
        """Adds what was found in other rows."""
        self.rows += other.rows
        self.series += other.series
        self.windows += other.windows
        self.gaps += other.gaps
        self.longest_gap = max(self.longest_gap, other.longest_gap)
        self.begins += other.begins
        self.ends += other.ends
        for name in _ODDITIES:
            theirs: Oddity = getattr(other, name)
            getattr(self, name).add(theirs.count, theirs.examples)
        for name in _OF_COLUMNS:
            for column, oddity in getattr(other, name).items():
                mine = getattr(self, name).setdefault(column, Oddity())
                mine.add(oddity.count, oddity.examples)

    def place(self, oddity: Oddity) -> str:
        """The first of its examples, in words."""
        if not oddity.examples:
            return ""
        time, series = oddity.examples[0]
        return time_text(time, self.moments) + (f" of {series}" if series else "")

    def to_json(self) -> str:
        """In a form that crosses processes."""
        return json.dumps(asdict(self))


def findings_from_json(text: str) -> SeriesFindings:
    """Reads what `SeriesFindings.to_json` wrote."""
    return TypeAdapter(SeriesFindings).validate_json(text)


def findings_of(examples: Any) -> SeriesFindings | None:
    """What ExampleGen found in a long table of series; None where there is none."""
    held = examples.get_string_custom_property("series")
    return findings_from_json(held) if held else None


def time_text(time: int, is_moment: bool) -> str:
    """A time as the reader knows it."""
    if not is_moment:
        return str(time)
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=time)
    return moment.replace(tzinfo=None).isoformat(sep=" ")
