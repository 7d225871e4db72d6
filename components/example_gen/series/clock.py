"""The step of the series, and where the steps lie: learned from the times of all rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from components.example_gen import kinds
from components.example_gen.histogram import Ints
from components.example_gen.series.spec import SeriesSpec
from components.example_gen.series.step import microseconds_of
from contracts.errors import ConfigError, DataError

_KEPT = 64
# Irregular times have as many distances as rows: of more, the rarest are forgotten.
_HELD = 1 << 16
_TRIED = 4
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Clock:
    """Where steps are: at `phase`, and every `step` from there.

    Times are microseconds since 1970, or the whole numbers of the data.

    Attributes:
      step: The time between steps.
      phase: The time of step 0.
      first: The first time of all rows.
      last: The last one.
    """

    step: int
    phase: int
    first: int
    last: int

    def places(self, times: Ints) -> Ints:
        """The step that each time belongs to, or the one before it."""
        return (times - self.phase) // self.step

    def time_of(self, step: int) -> int:
        """The time of a step."""
        return self.phase + step * self.step

    def on_step(self, times: Ints) -> NDArray[np.bool_]:
        """Whether each time is that of a step."""
        exact: NDArray[np.bool_] = (times - self.phase) % self.step == 0
        return exact


@dataclass
class Times:
    """What is counted of the times: distances to the next row, phases, first and last.

    Attributes:
      distances: How often each distance occurs within a series.
      phases: By distance, how often each remainder occurs.
      first: The first time.
      last: The last one.
    """

    distances: Counter[int] = field(default_factory=Counter)
    phases: dict[int, Counter[int]] = field(default_factory=dict)
    first: int = 2**63 - 1
    last: int = -(2**63)

    def add(self, ids: Ints, times: Ints, step: int | None) -> None:
        """Counts a batch.

        Args:
          ids: The series of each row, as a number.
          times: Its time.
          step: The step, where it is configured.
        """
        if not len(times):
            return
        order = np.lexsort((times, ids))
        ids, times = ids[order], times[order]
        steps = np.diff(times)[(np.diff(ids) == 0)]
        self.distances = _bounded(self.distances + Counter(_counted(steps[steps > 0])))
        self.first = min(self.first, int(times.min()))
        self.last = max(self.last, int(times.max()))
        tried = [step] if step else [distance for distance, _ in self.distances.most_common(_TRIED)]
        for distance in tried:
            phases = self.phases.get(distance, Counter()) + Counter(_counted(times % distance))
            self.phases[distance] = _bounded(phases)

    def shortened(self) -> Times:
        """The most frequent distances and phases alone, to cross processes."""
        phases = {step: _commonest(counts, _KEPT) for step, counts in self.phases.items()}
        return replace(self, distances=_commonest(self.distances, _KEPT), phases=phases)


def merge_times(parts: Iterable[Times]) -> Times:
    """Adds what was counted of several parts."""
    whole = Times()
    for part in parts:
        whole.distances.update(part.distances)
        for step, phases in part.phases.items():
            whole.phases.setdefault(step, Counter()).update(phases)
        whole.first = min(whole.first, part.first)
        whole.last = max(whole.last, part.last)
    return whole


def configured_step(series: SeriesSpec, is_moment: bool, where: str) -> int | None:
    """The configured step in units of the times; None where it is learned.

    Raises:
      ConfigError: A number without a unit is the step of dates, or a part of a second that of
        whole numbers.
    """
    step = series.step
    if isinstance(step, str):
        microseconds = microseconds_of(step)
        if is_moment:
            return microseconds
        if microseconds % _MICROSECONDS:
            raise ConfigError(
                f"step is {step}, and the time column {series.time!r} holds whole numbers",
                where=f"{where}: data.series.step",
                expected="a whole number, or whole seconds where the numbers are seconds",
                received=step,
            )
        return microseconds // _MICROSECONDS
    if step is not None and is_moment:
        raise ConfigError(
            f"step is {step}, and the time column {series.time!r} holds dates or times",
            where=f"{where}: data.series.step",
            expected="a number and its unit: us, ms, s, m, h or d, such as 30m",
            received=str(step),
        )
    return step


def refuse_fractions(kind: str, time: str, where: str) -> None:
    """Refuses times that are fractions.

    Args:
      kind: The kind of the column of times.
      time: Its name.
      where: What names it.

    Raises:
      DataError: They are.
    """
    if kind == kinds.FLOAT:
        raise DataError(
            f"the time column {time!r} holds fractions or missing values",
            where=where,
            expected="dates and times, or whole numbers, in every row",
            received="numbers with a fraction, or numbers of which some are missing",
            fix="write times as ISO text, or count steps in whole numbers",
        )


def learn_clock(times: Times, step: int | None, where: str) -> Clock:
    """Gives the step that comes most often, and the phase that most times have.

    Raises:
      DataError: No series has two rows.
    """
    if step is None:
        if not times.distances:
            raise DataError(
                "no series has two rows, so that the step between rows is not known",
                where=f"{where}: data.series",
                expected="rows at regular times, several for each id",
                received="one row for each id",
                fix="correct data.series.id or data.series.time, or set data.series.step",
            )
        step = min(times.distances, key=lambda value: (-times.distances[value], value))
    phases = times.phases.get(step) or Counter({times.first % step: 1})
    phase = min(phases, key=lambda value: (-phases[value], value))
    return Clock(step, phase, times.first, times.last)


def _bounded(counts: Counter[int]) -> Counter[int]:
    return counts if len(counts) <= _HELD else _commonest(counts, _HELD // 2)


def _commonest(counts: Counter[int], most: int) -> Counter[int]:
    return Counter(dict(counts.most_common(most)))


def _counted(values: Sequence[int] | Ints) -> dict[int, int]:
    distinct, counts = np.unique(np.asarray(values), return_counts=True)
    return dict(zip(distinct.tolist(), counts.tolist(), strict=True))
