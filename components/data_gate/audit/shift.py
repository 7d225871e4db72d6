"""Do the splits, and one span after the other, hold the same kind of data?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from components.data_gate.audit.columns import Floats
from components.data_gate.audit.distances import by_chance, distance
from components.data_gate.audit.histograms import Blocks, block_counts, blocks_of
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.whole import TRAIN
from components.data_gate.config import ShiftSpec, SpanShiftSpec
from contracts.arrays import Array
from contracts.results.checked import Checked, Part, judged
from models.tasks import find_task

_USUAL_NEEDS = 4
_USUAL_DEVIATIONS = 6.0
# The median absolute deviation of a normal distribution times this is its deviation.
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Distance:
    """How far a feature lies from one split or span to another.

    Attributes:
      feature: The feature, or the label.
      kind: What is compared.
      start: The split or span that is compared with.
      end: The split or span that is judged.
      measure: L-infinity of the shares of categories, or Jensen-Shannon of bins in bits.
      distance: From 0 to 1.
      chance: What equal distributions hardly ever exceed, with as many blocks of rows.
      usual: What the other spans' changes of the same feature let expect, if known.
      bound: The config's.
      shifted: Whether the distance is above all three.
    """

    feature: str
    kind: str
    start: str
    end: str
    measure: str
    distance: float
    chance: float
    usual: float | None
    bound: float
    shifted: bool

    def to_dict(self) -> dict[str, Any]:
        """The distance as JSON."""
        held = asdict(self)
        return {"from": held.pop("start"), "to": held.pop("end"), **held}


def check_shift(data: AuditData) -> Part:
    """Compares val and test with train, and each span with the one before it.

    A distance counts only where it is above its bound, above what chance gives for so few
    rows, and, between spans, above what is usual for the feature: the weather changes with
    every month. A feature with one value a span names the span, and is left out there.
    """
    spec, blocks, found = data.spec.shift, blocks_of(data), list[Distance]()
    rng = np.random.default_rng(0)
    for name in _names(data):
        categorical = _is_categorical(data, name)
        counts = block_counts(data, blocks, name, categorical)
        compare = _Compare(name, categorical, rng)
        if spec.severity != "off":
            found += _between_splits(counts, blocks, spec, compare)
        if spec.spans.severity != "off":
            found += _between_spans(counts, blocks, spec.spans, compare)
    found.sort(key=lambda one: (not one.shifted, -one.distance))
    checks = [_checked(one, spec) for one in _reported(found)]
    return Part(checks, {"shift": [one.to_dict() for one in found]})


@dataclass(frozen=True)
class _Compare:
    """How one feature's distances are measured and judged."""

    feature: str
    categorical: bool
    rng: np.random.Generator

    def between(self, ours: Floats, theirs: Floats) -> float:
        return float(distance(ours.sum(axis=0), theirs.sum(axis=0), self.categorical))

    def judge(
        self, sides: tuple[Floats, Floats], names: tuple[str, str], kind: str,
        usual: float | None, spec: ShiftSpec | SpanShiftSpec,
    ) -> Distance:  # fmt: skip
        bound = spec.max_categorical if self.categorical else spec.max_numeric
        found = self.between(*sides)
        chance = by_chance(*sides, self.categorical, self.rng)
        return Distance(
            feature=self.feature,
            kind=kind,
            start=names[0],
            end=names[1],
            measure="L-infinity" if self.categorical else "Jensen-Shannon",
            distance=found,
            chance=chance,
            usual=usual,
            bound=bound,
            shifted=found > max(bound, chance, usual or 0.0),
        )


def _names(data: AuditData) -> list[str]:
    label = data.problem.label.name
    held = all(label in table.column_names for table in data.tables.values())
    return [*data.features(), *([label] if held else [])]


def _is_categorical(data: AuditData, name: str) -> bool:
    """The config decides, not the column: the number of a weekday is a category."""
    if name == data.problem.label.name:
        return find_task(data.problem.task).has_classes
    return not data.holds_numbers(name)


def _between_splits(
    counts: Floats, blocks: Blocks, spec: ShiftSpec, compare: _Compare
) -> Iterator[Distance]:
    parts = {name: counts[blocks.split == place] for place, name in enumerate(blocks.splits)}
    for name, rows in parts.items():
        if name != TRAIN and TRAIN in parts and len(rows) and len(parts[TRAIN]):
            yield compare.judge((parts[TRAIN], rows), (TRAIN, name), "splits", None, spec)


def _between_spans(
    counts: Floats, blocks: Blocks, spec: SpanShiftSpec, compare: _Compare
) -> Iterator[Distance]:
    """Gives each span's distance from the one before it.

    After a span that shifted, the next one differs from it too. It is judged by the last
    span that did not shift, so that only the span that is out of line is named.
    """
    spans = np.unique(blocks.span)
    parts = [counts[blocks.span == span] for span in spans]
    if len(spans) < 2 or all(np.count_nonzero(part.sum(axis=0)) <= 1 for part in parts):
        return
    steps = np.array([compare.between(*pair) for pair in pairwise(parts)])
    sound = 0
    for place in range(1, len(spans)):
        usual = _usual(steps, place)

        def judge(start: int, end: int = place, usual: float | None = usual) -> Distance:
            names = (f"span {spans[start]}", f"span {spans[end]}")
            return compare.judge((parts[start], parts[end]), names, "spans", usual, spec)

        one = _last_of(judge, place - 1, sound)
        yield one
        sound = sound if one.shifted else place


def _last_of(judge: Callable[[int], Distance], before: int, sound: int) -> Distance:
    one = judge(before)
    return judge(sound) if one.shifted and sound != before else one


def _usual(steps: Array, place: int) -> float | None:
    """Six deviations above the median of the steps that this span has no part in."""
    others = np.delete(steps, [one for one in (place - 1, place) if one < len(steps)])
    if len(others) < _USUAL_NEEDS:
        return None
    median = np.median(others)
    spread = _MAD_TO_SIGMA * np.median(np.abs(others - median))
    return float(median + _USUAL_DEVIATIONS * spread)


def _reported(found: list[Distance]) -> Iterator[Distance]:
    """Every shift, and of the rest the greatest distance of a feature's splits and spans."""
    seen: set[tuple[str, str]] = set()
    for one in found:
        if one.shifted or (one.feature, one.kind) not in seen:
            yield one
        seen.add((one.feature, one.kind))


def _checked(one: Distance, spec: ShiftSpec) -> Checked:
    spans = one.kind == "spans"
    severity = spec.spans.severity if spans else spec.severity
    bound = max(one.bound, one.chance, one.usual or 0.0)
    limits = f"bound {one.bound:.3f}, by chance up to {one.chance:.3f}"
    if one.usual is not None:
        limits += f", usual between spans up to {one.usual:.3f}"
    return Checked(
        check="shift.spans" if spans else "shift",
        feature=one.feature,
        split=f"{one.start}, {one.end}",
        **judged(severity, one.distance, bound, failed=one.shifted),
        what=f"{one.feature!r} in {one.end} is {one.distance:.3f} from {one.start} "
        f"({one.measure}; {limits}).",
        expected=f"a distance within the largest of: {limits}",
        received=f"{one.distance:.3f}",
        fix=f"look at what changed in {one.end}: a unit, a code, a source; leave the span out "
        "by data.spans, or raise data.audit.shift.spans"
        if spans
        else "split another way (data.split), or raise data.audit.shift if the change is real",
    )
