"""Whether a config of time series fits: what is known when a forecast is made, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from components.example_gen.series.spec import FUTURE, PAST, SeriesSpec, complete_series
from contracts.text import some
from contracts.validation import KeyProblem
from models.features.window import WindowSpec
from models.tasks import find_task, is_task

if TYPE_CHECKING:
    from pipelines.config.problem import KelpConfig


def completed(config: Any) -> Any:
    """Fills in what follows from `data.series`; other configs stay as they are."""
    if not isinstance(config, dict):
        return config
    task = str(config.get("task"))
    is_known = is_task(task)
    return complete_series(config, is_known and find_task(task).takes_steps)


def series_errors(config: KelpConfig) -> Iterator[KeyProblem]:
    """What does not fit the series of a config."""
    series = config.data.series
    if series is None:
        return
    split = config.data.split
    if split.by != "time" or split.columns != (series.time,):
        yield KeyProblem(
            ("data", "split"),
            "series are split by their time",
            expected=f"by: time, columns: [{series.time}], or neither key",
            received=f"by: {split.by}, columns: [{', '.join(split.columns)}]",
        )
    label = config.label.name
    for key in ("known", "static"):
        if label in getattr(series, key):
            yield KeyProblem(
                ("data", "series", key),
                f"the label {label!r} is what is predicted",
                expected="columns that are known when the forecast is made",
                fix=f"remove {label}",
            )
    if config.label.steps not in (None, series.horizon):
        yield KeyProblem(
            ("label", "steps"),
            "the label has another length than the series gives",
            expected=str(series.horizon),
            received=str(config.label.steps),
            fix="remove the key, or change data.series.horizon",
        )
    yield from _history_errors(config)
    for name, feature in config.features.items():
        if isinstance(feature, WindowSpec):
            yield from _window_errors(name, feature, series, label)
        else:
            yield from _scalar_errors(name, feature.raw_columns(name), config, series)


def _history_errors(config: KelpConfig) -> Iterator[KeyProblem]:
    """Naive forecasts, MASE and the network start from the first column of the history."""
    label = config.label
    feature = None if label.history is None else config.features.get(label.history)
    past = f"{label.name}{PAST}"
    if isinstance(feature, WindowSpec) and feature.raw_columns(label.history or "")[0] != past:
        yield KeyProblem(
            ("label", "history"),
            f"the history {label.history!r} begins with another column than the label's past",
            expected=f"{past} first",
            received=", ".join(feature.raw_columns(label.history or "")),
        )


def _window_errors(
    name: str, feature: WindowSpec, series: SeriesSpec, label: str
) -> Iterator[KeyProblem]:
    columns, place = feature.raw_columns(name), ("features", name)
    length = series.length(columns)
    if length is None:
        yield KeyProblem(
            place,
            f"the window {name!r} has columns that are no part of the series",
            expected=f"names that all end in {PAST}, or all in {FUTURE}, such as {label}{PAST}",
            received=", ".join(columns),
        )
    elif length != feature.steps:
        yield KeyProblem(
            (*place, "steps"),
            f"the window {name!r} has another length than the series gives",
            expected=str(length),
            received=str(feature.steps),
            fix="remove the key",
        )
    for column in columns:
        source = column.removesuffix(FUTURE)
        if column.endswith(FUTURE) and source not in series.known:
            yield KeyProblem(
                place,
                f"the future of {source!r} is not known when the forecast is made",
                expected=f"one of data.series.known: {some(series.known) or 'none is listed'}",
                received=column,
                fix=f"take {source}{PAST}"
                + ("" if source == label else ", or list it in data.series.known if it is known"),
            )


def _scalar_errors(
    name: str, columns: tuple[str, ...], config: KelpConfig, series: SeriesSpec
) -> Iterator[KeyProblem]:
    calendar = config.data.calendar()
    for column in columns:
        of_time = calendar.get(column, ("",))[0] == series.time
        if not of_time and column not in (series.time, series.id, *series.known, *series.static):
            yield KeyProblem(
                ("features", name),
                f"{column!r} at a forecast's start is not known when it is made",
                expected="a window of its past, or a column of data.series.known or static",
                received=column,
                fix=f"make it {{type: window, columns: [{column}{PAST}]}}, or list it",
            )
