"""The search for the slices that are worst, among all values of columns and of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from contracts.arrays import Array
from evidence.bootstrap import workers
from evidence.config import EvaluationSpec
from evidence.groups import groups_by_code
from evidence.significance import Losses
from evidence.slicing import Coding, Slice, code
from evidence.trial import SliceLosses, Trial, joined

# A number of more values is looked at by range.
_FEW_NUMBERS = 12
# Of a text column of many values, such as a day, rarer ones are not worth the search.
_COMMON = 0.02
# Rows times pairs of columns: a few seconds.
_PAIR_ROWS = 40_000_000
# A pair of fewer rows takes no less time.
_LEAST_ROWS = 500
# Of the partitions that a thread looks at before it asks for more: asking costs more than
# looking at a few rows does.
_TASK_ROWS = 20_000
# The share of common rows above which two slices are one.
_SAME = 0.8
_LEVEL = 0.05


@dataclass(frozen=True)
class Searched:
    """Every slice that was looked at.

    Attributes:
      losses: Of each slice, in one order.
      partition: The place in `partitions` of the columns that make it.
      code: Its code among the slices of these columns.
      partitions: The columns, one or two.
      codings: The columns' codes.
    """

    losses: SliceLosses
    partition: Array
    code: Array
    partitions: Sequence[tuple[str, ...]]
    codings: dict[str, Coding]

    def slice_at(self, place: int) -> Slice:
        """Gives one of the slices."""
        columns = self.partitions[self.partition[place]]
        codes = pair_codes([self.codings[name] for name in columns])
        rows = np.flatnonzero(codes == int(self.code[place]))
        key = {
            name: self.codings[name].values[self.codings[name].codes[rows[0]]] for name in columns
        }
        return Slice(key, "found", rows)


@dataclass(frozen=True)
class Verdicts:
    """What came of one kind of loss, slice by slice.

    Attributes:
      margin: The loss that is beyond chance.
      p: The p value against the bound.
      fails: Whether the loss is above its bound, beyond chance among all that were tested.
    """

    margin: Array
    p: Array
    fails: Array

    def at(self, place: int, slice_: Slice) -> Taken:
        """One slice with what came of it."""
        return Taken(
            slice_, place, float(self.margin[place]), float(self.p[place]), bool(self.fails[place])
        )


@dataclass(frozen=True)
class Taken:
    """A slice that is reported, its place among all that were tested, and what came of it."""

    slice: Slice
    place: int
    margin: float
    p: float
    fails: bool


def search(keys: pa.Table, trial: Trial, spec: EvaluationSpec) -> Searched | None:
    """Looks at every slice of one column and of two that has enough rows.

    Slices that the config lists are not looked at again. A wide or a long table would take
    too many pairs: those of the columns that have the worst slices are taken.

    Returns:
      What was seen; None where there was nothing to look at.
    """
    codings = _codings(keys, spec)
    listed = {frozenset(columns) for columns in spec.slices}
    singles = [(name,) for name in codings if not _is_listed((name,), codings, listed)]
    seen = _look(codings, singles, trial, spec)
    if spec.found_slices.pairs:
        affordable = max(1, _PAIR_ROWS // max(keys.num_rows, _LEAST_ROWS))
        names = _worst_first(codings, trial, spec, affordable)
        pairs = list(combinations(names, 2))[:affordable]
        pairs = [pair for pair in pairs if not _is_listed(pair, codings, listed)]
        seen += _look(codings, pairs, trial, spec)
    if not seen:
        return None
    return Searched(
        joined([part.losses for part in seen]),
        np.repeat(np.arange(len(seen)), [len(part.codes) for part in seen]),
        np.concatenate([part.codes for part in seen]),
        [part.columns for part in seen],
        codings,
    )


def verdicts(losses: Losses, p: Array, q: Array, bound: float, level: float) -> Verdicts:
    """Checks losses against their bound: `p` and `q` are theirs, `level` is what q may be."""
    return Verdicts(losses.at_least(_LEVEL), p, (losses.value > bound) & (q <= level))


def worst(searched: Searched, found: Verdicts, keep: int, taken: Sequence[Taken]) -> list[Taken]:
    """Gives the worst slices: those that fail, the surest first, then by margin.

    A slice is left out where nearly the same rows are taken already, or a wider slice that
    says as much. A narrow slice may fail within a wide one that is sound.

    Args:
      searched: The slices.
      found: What came of slices that are taken anyway, and then of those searched.
      keep: How many to give.
      taken: Slices that are reported already.
    """
    first = len(found.margin) - len(searched.code)
    margin, fails = found.margin[first:], found.fails[first:]
    certain = np.where(fails, found.p[first:], 1.0)
    order = np.lexsort((-np.where(np.isnan(margin), -np.inf, margin), certain, ~fails))
    kept: list[Taken] = []
    for place in order[: 20 * keep]:
        if len(kept) == keep or not np.isfinite(margin[place]):
            break
        candidate = found.at(first + int(place), searched.slice_at(int(place)))
        if not any(_covers(other, candidate) for other in (*taken, *kept)):
            kept.append(candidate)
    return kept


@dataclass(frozen=True)
class _Seen:
    columns: tuple[str, ...]
    codes: Array
    losses: SliceLosses


def _codings(keys: pa.Table, spec: EvaluationSpec) -> dict[str, Coding]:
    codings = {name: code(keys[name], _FEW_NUMBERS) for name in keys.column_names}
    most = max(spec.found_slices.max_values, _FEW_NUMBERS)
    narrow = {name: _commonest(one, most, spec.min_slice_rows) for name, one in codings.items()}
    return {name: coding for name, coding in narrow.items() if coding.values}


def _commonest(coding: Coding, most: int, min_rows: int) -> Coding:
    """Keeps the values of most rows; the rows of the others get -1 and are in no slice.

    A column with one value, or of many without rows enough, keeps none.
    """
    if len(coding.values) <= most:
        return coding if len(coding.values) > 1 else Coding(coding.codes, [], True)
    counts = np.bincount(coding.codes, minlength=len(coding.values))
    kept = np.argsort(-counts, kind="stable")[:most]
    kept = kept[counts[kept] >= max(min_rows, _COMMON * len(coding.codes))]
    places = np.full(len(counts), -1, np.intp)
    places[kept] = np.arange(len(kept))
    return Coding(places[coding.codes], [coding.values[place] for place in kept], coding.exact)


def _is_listed(
    columns: Sequence[str], codings: dict[str, Coding], listed: set[frozenset[str]]
) -> bool:
    return frozenset(columns) in listed and all(codings[name].exact for name in columns)


def _look(
    codings: dict[str, Coding],
    partitions: Sequence[tuple[str, ...]],
    trial: Trial,
    spec: EvaluationSpec,
) -> list[_Seen]:
    def look(columns: tuple[str, ...]) -> _Seen | None:
        codes = pair_codes([codings[name] for name in columns])
        groups, kept = groups_by_code(codes, spec.min_slice_rows)
        return _Seen(columns, kept, trial.losses(groups)) if len(groups) else None

    rows = max((len(coding.codes) for coding in codings.values()), default=0)
    at_once = max(1, _TASK_ROWS // max(rows, 1))

    def look_at_some(start: int) -> list[_Seen | None]:
        return [look(columns) for columns in partitions[start : start + at_once]]

    with ThreadPoolExecutor(workers()) as pool:
        parts = pool.map(look_at_some, range(0, len(partitions), at_once))
        return [seen for part in parts for seen in part if seen is not None]


def pair_codes(codings: Sequence[Coding]) -> Array:
    """Gives one code for the values of several columns; -1 where one of them has -1."""
    codes = codings[0].codes
    for coding in codings[1:]:
        paired = codes * len(coding.values) + coding.codes
        codes = np.where((codes < 0) | (coding.codes < 0), -1, paired)
    return codes


def _worst_first(
    codings: dict[str, Coding], trial: Trial, spec: EvaluationSpec, affordable: int
) -> list[str]:
    """The columns whose pairs can be looked at, all of them where that is affordable."""
    most = int((1 + np.sqrt(1 + 8 * affordable)) / 2)
    if len(codings) <= most:
        return list(codings)
    seen = _look(codings, [(name,) for name in codings], trial, spec)
    badness = {part.columns[0]: _badness(part.losses) for part in seen}
    return sorted(badness, key=lambda name: -badness[name])[:most]


def _badness(losses: SliceLosses) -> float:
    asked = losses.gap if losses.change is None else losses.change
    margins = asked.at_least(_LEVEL)
    return float(np.max(margins[np.isfinite(margins)], initial=-np.inf))


def _covers(other: Taken, found: Taken) -> bool:
    """Whether `other` says what `found` would."""
    narrow, wide = found.slice, other.slice
    if len(wide.key) < len(narrow.key) and wide.key.items() <= narrow.key.items():
        return found.p >= other.p if other.fails else found.margin <= other.margin
    common = len(np.intersect1d(narrow.rows, wide.rows, assume_unique=True))
    return common >= _SAME * (len(narrow.rows) + len(wide.rows) - common)
