"""Time series in unknown data: a column of regular times, often beside one of ids."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from components.example_gen import kinds
from components.example_gen.series.spec import PAST
from contracts.names import serving_name
from models.data.row_keys import time_keys
from pipelines.recognition.labels import LabelPlan
from pipelines.recognition.roles import Role, calendar_roles, role_of
from pipelines.recognition.sample import TIME, Column, Sample, count_distinct
from pipelines.recognition.sizing import bound_for, size_for

_REGULAR = 0.75
# The share of rows that may have the time of another row of their series: an export that was
# read twice, or the hour at which a clock goes back.
_REPEATED = 0.05
_ECHO = 0.3
_FEWEST_STEPS = 40
_FEWEST_CONTEXT = 8
_MOST_HORIZON = 48
_SHARES = (0.6, 0.2, 0.2)
_SHARES_OF_MANY = (0.7, 0.1, 0.2)
_MANY_STEPS = 5_000
_MOST_VALUES = 50_000_000
_DAY = 86_400_000_000
# How many steps a season has, where a step is as long: a day, a week, a year.
_SEASONS = {_DAY: 7, 7 * _DAY: 52}
_PARTS = ("hour", "weekday", "month")
_BLOCKS = 8
_FEWEST_BLOCKS = 6
# Of fewer windows, a regression on lags predicts better than a network of several layers:
# docs/first-runs.md has the measurements.
_FEW_WINDOWS = 30_000
# Before train has seen a whole year, the month says no more than how late a row is.
_YEAR_DAYS = 365
_INDICATOR = "missing_indicator"
_NUMBERS = (kinds.INT, kinds.FLOAT, kinds.BOOL)
# Whole numbers are times only where they are named so.
_COUNTS = ("time", "step", "t", "timestamp")
# Of the label's standard deviation.
_LOSS = 0.05

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class SeriesPlan:
    """How windows are cut from a long table.

    Attributes:
      time: The column of times.
      id: The column that tells series apart; None where there is one.
      series: How many series the sample has.
      step: The time between steps, in words.
      season: How many steps a season has; None where none is likely.
      context: How many steps a window looks back.
      horizon: How many steps are predicted.
      stride: Every how many steps a window starts.
      shares: Of the time, for train, val and test.
      train_days: How many days train spans; 0 for times without dates.
      block_days: How many days the bootstrap draws together; None for times without dates.
      windows: About how many windows there are.
    """

    time: str
    id: str | None
    series: int
    step: str
    season: int | None
    context: int
    horizon: int
    stride: int
    shares: tuple[float, float, float]
    train_days: float
    block_days: int | None
    windows: int


def recognise_series(sample: Sample, label: str, is_number: bool) -> SeriesPlan | None:
    """Finds the time and the id of series; None where the rows are none.

    Without a column that tells series apart, rows in regular times may have nothing to do with
    each other: they are a series only where the label is a number that its past tells of.

    Args:
      sample: The first rows.
      label: The column to predict.
      is_number: Whether a number is predicted.
    """
    others = [column for column in sample.columns if column.name != label]
    for time in others:
        keys = _times(time)
        if keys is None:
            continue
        for name, codes, repeated in _ids(others, time.name, keys):
            step = _regular_step(keys, codes, repeated)
            if step is None or (name is None and not (is_number and _echoes(sample, label, keys))):
                continue
            return _plan(sample, time, name, codes, keys, step, is_number)
    return None


def series_roles(sample: Sample, label: Column, plan: SeriesPlan) -> list[Role]:
    """What becomes of each column: a window, a feature of the series, of the time, or none."""
    names = [column.name for column in sample.columns]
    roles: list[Role] = []
    for column in sample.columns:
        if column.name == plan.time:
            roles += _time_roles(column, names, plan)
        elif column.name != label.name and is_static(sample, column, plan):
            role = role_of(_as_name(column, plan), sample.rows, names)
            note = "tells series apart" if column.name == plan.id else "does not change over time"
            roles.append(replace(role, note=role.note or note))
        elif column.name != label.name or label.kind in _NUMBERS:
            roles.append(_measured(column, names, plan))
    return _apart(roles)


def _as_name(column: Column, plan: SeriesPlan) -> Column:
    """An id of numbers as text: they name series, and count nothing."""
    if column.name != plan.id:
        return column
    return replace(column, kind=kinds.TEXT, values=column.values.cast(pa.string()))


def _time_roles(column: Column, names: Sequence[str], plan: SeriesPlan) -> list[Role]:
    """The time of a window's start; every row has one, so that none is marked as missing."""
    wanted = _PARTS if plan.train_days >= _YEAR_DAYS else _PARTS[:-1]
    parts = [role for role in calendar_roles(column, names) if role.part in wanted]
    plain = [
        replace(role, spec={key: role.spec[key] for key in role.spec if key != _INDICATOR})
        for role in parts
    ]
    return [Role(column.name, {}, "orders the steps"), *plain]


def _measured(column: Column, names: Sequence[str], plan: SeriesPlan) -> Role:
    """A window of what is measured at every step."""
    past = f"{column.name}{PAST}"
    if column.kind not in _NUMBERS:
        return Role(column.name, {}, "changes over time, and is no number")
    if count_distinct(column.values) < 2:
        return Role(column.name, {}, "has no value that differs from the others")
    if past in names:
        return Role(column.name, {}, f"its window would have the name of the column {past}")
    return Role(past, {"type": "window"}, f"the {plan.context} steps before the start")


def series_values(
    series: SeriesPlan, plan: LabelPlan, features: Sequence[Role], sample: Sample
) -> dict[str, Any]:
    """What the config's template needs beside what every config has."""
    linear = series.windows < _FEW_WINDOWS
    sizing = size_for(series.windows)
    epochs, patience = (60, 20) if linear else (min(sizing.epochs, 40), min(sizing.patience, 6))
    sizing = replace(sizing, epochs=epochs, patience=patience)
    held = {column.name for column in sample.columns}
    return {
        "series": series,
        "linear": linear,
        "task": "forecast" if plan.task == "regression" else plan.task,
        "static": [role.name for role in features if role.name in held - {series.id}],
        "sizing": sizing,
        "bound": bound_for(plan, sizing),
        "max_loss": f"{_LOSS * plan.spread:.2g}",
    }


def is_static(sample: Sample, column: Column, plan: SeriesPlan) -> bool:
    """Whether a column has one value in each of several series."""
    if plan.id is None or plan.series < 2:
        return False
    ids = next(other.values for other in sample.columns if other.name == plan.id)
    pairs = pa.table({"id": ids, "value": column.values}).group_by(["id", "value"]).aggregate([])
    return int(pairs.num_rows) == count_distinct(ids)


def _apart(roles: Sequence[Role]) -> list[Role]:
    """Leaves out what would be served by the name of another feature."""
    served: dict[str, str] = {}
    return [
        role
        if not role.spec or served.setdefault(serving_name(role.name), role.name) == role.name
        else Role(role.name, {}, "would be served by the same name as another: rename it")
        for role in roles
    ]


def _times(column: Column) -> Ints | None:
    """The times of a column as numbers: microseconds, or whole numbers named as times are."""
    is_count = column.kind == kinds.INT and column.name.lower() in _COUNTS
    if column.missing or not (column.kind == TIME or is_count):
        return None
    return time_keys(column.values)


def _ids(
    others: Sequence[Column], time: str, keys: Ints
) -> Iterator[tuple[str | None, Ints, float]]:
    """The columns that could be the id, those with the fewest values first.

    Each comes with the share of rows that may have the time of another row of their series: first
    none, then a few, which ExampleGen leaves out and the audit counts. Where hardly a time comes
    twice, there is one series and no id.
    """
    rows = len(keys)
    if rows - len(np.unique(keys)) <= _REPEATED * rows:
        yield None, np.zeros(rows, np.int64), _REPEATED
        return
    candidates = [
        (count_distinct(column.values), column)
        for column in others
        if column.kind in (kinds.TEXT, kinds.INT) and not column.missing and column.name != time
    ]
    for repeated in (0.0, _REPEATED):
        for distinct, column in sorted(candidates, key=lambda entry: entry[0]):
            if 2 <= distinct <= rows / _FEWEST_STEPS:
                codes = column.values.dictionary_encode().indices.to_numpy(zero_copy_only=False)
                yield column.name, codes.astype(np.int64), repeated


def _regular_step(times: Ints, ids: Ints, repeated: float) -> int | None:
    """The time between most rows of a series; None where times are irregular.

    Args:
      times: Of all rows.
      ids: The series of each.
      repeated: The share of rows that may have the time of the row before.
    """
    distances = _distances(times, ids, repeated)
    if len(distances) < _FEWEST_STEPS:
        return None
    values, counts = np.unique(distances, return_counts=True)
    return int(values[counts.argmax()]) if counts.max() >= _REGULAR * len(distances) else None


def _distances(times: Ints, ids: Ints, repeated: float) -> Ints:
    """From each row of a series to the next; none where too many times come twice."""
    order = np.lexsort((times, ids))
    times, ids = times[order], ids[order]
    distances: Ints = np.diff(times)[np.diff(ids) == 0]
    again = int((distances == 0).sum())
    return distances[distances > 0] if again <= repeated * len(distances) else distances[:0]


def months_note(sample: Sample, time: Column) -> str:
    """What to do with times of which there is one a month, by series; empty for others."""
    keys = _times(time)
    if keys is None or time.kind != TIME:
        return ""
    for _, codes, repeated in _ids(sample.columns, time.name, keys):
        days = _distances(keys, codes, repeated) / _DAY
        if len(days) >= _FEWEST_STEPS and np.mean((days >= 28) & (days <= 31)) >= _REGULAR:
            return (
                "a row a month, and months differ in length: to forecast, count them in a column "
                "`step` of whole numbers"
            )
    return ""


def _echoes(sample: Sample, label: str, times: Ints) -> bool:
    """Whether the label's values resemble those a step before."""
    values = next(column.values for column in sample.columns if column.name == label)
    known = values.is_valid().to_numpy(zero_copy_only=False)
    numbers = values.cast(pa.float64()).drop_null().to_numpy()
    numbers = numbers[np.argsort(times[known], kind="stable")]
    if len(numbers) < _FEWEST_STEPS or not np.ptp(numbers[1:]) or not np.ptp(numbers[:-1]):
        return False
    return bool(np.corrcoef(numbers[1:], numbers[:-1])[0, 1] >= _ECHO)


def _plan(
    sample: Sample,
    time: Column,
    name: str | None,
    ids: Ints,
    keys: Ints,
    step: int,
    is_number: bool,
) -> SeriesPlan | None:
    """Sizes the windows so that val and test hold many of them."""
    series = len(np.unique(ids))
    is_moment = time.kind == TIME
    more = sample.total_rows / max(1, sample.rows)
    steps = int((keys.max() - keys.min()) // step * (more if series == 1 else 1)) + 1
    shares = _SHARES if steps < _MANY_STEPS else _SHARES_OF_MANY
    held_out = _held_out(keys, shares, step) if more == 1 else int(min(shares[1:]) * steps)
    season = _season(step) if is_moment else None
    horizon = min(season or 12, _MOST_HORIZON, held_out // 8) if is_number else 2
    context = min(7 * season if season and season <= 48 else 2 * (season or 32), held_out // 2)
    context -= 2 * horizon if context == held_out // 2 else 0
    if horizon < 2 or context < _FEWEST_CONTEXT:
        return None
    whole = season is not None and context >= season
    context -= context % season if whole and season else 0
    values = sample.total_rows * (context + horizon)
    stride = max(1, math.ceil(values / _MOST_VALUES))
    # Of what is held out, a gap as long as the horizon begins it, and a context is only seen.
    starts = held_out - context - 2 * horizon + 1
    block = _block_days(starts, context + horizon, step)
    return SeriesPlan(
        time=time.name,
        id=name,
        series=series,
        step=_in_words(step) if is_moment else f"{step:,}",
        season=season if whole else None,
        context=context,
        horizon=horizon,
        stride=stride,
        shares=shares,
        train_days=shares[0] * steps * step / _DAY if is_moment else 0.0,
        block_days=block if is_moment else None,
        windows=sample.total_rows // stride,
    )


def _held_out(keys: Ints, shares: Sequence[float], step: int) -> int:
    """How many steps val or test has, whichever has fewer: shares are those of the rows.

    Series that begin later than others make the last rows denser in time than the first.
    """
    borders = np.quantile(keys, np.cumsum([shares[0], shares[1], shares[2]]).clip(max=1))
    return int(np.diff(borders).min() // step) + 1


def _block_days(starts: int, window: int, step: int) -> int | None:
    """How many days are drawn together; None where a window starts on too few of them.

    Args:
      starts: At how many steps a window of val or test starts.
      window: How many steps it has.
      step: The time between steps.
    """
    step_days = max(1.0, step / _DAY)
    days = starts * step / _DAY
    if days < _FEWEST_BLOCKS * step_days:
        return None
    length = min(math.ceil(window * step / _DAY), max(1, int(days / _BLOCKS)))
    return int(max(1, length // step_days) * step_days)


def _season(step: int) -> int | None:
    if step < _DAY and _DAY % step == 0:
        return _DAY // step
    return _SEASONS.get(step)


def _in_words(step: int) -> str:
    for unit, size in (("day", _DAY), ("hour", _DAY // 24), ("minute", 60_000_000)):
        if step % size == 0:
            number = step // size
            return f"{number} {unit}s" if number > 1 else unit
    return f"{step / 1_000_000:g} seconds"
