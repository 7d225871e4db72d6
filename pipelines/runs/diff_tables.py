"""The differences between two runs as tables in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.results.evidence import Interval
from report.formats import bounds, metric_title, plain, short, signed

Change = Mapping[str, Any]
Row = tuple[str, ...]

_NONE = "-"
_WIDTH = 60


def render(difference: Mapping[str, Any], console: Console) -> None:
    """Prints a table a section that changed, and a line for those that did not."""
    runs = difference["runs"]
    for label, run in runs.items():
        verdict = "blessed" if run["blessed"] else "not blessed"
        line = f"{label}: {run['name']}, run {run['run_id']} ({run['status']}, {verdict})"
        console.print(escape(line), soft_wrap=True, highlight=False)
    if difference["equal"]:
        console.print("no difference", highlight=False)
    else:
        for section, (columns, row) in _SECTIONS.items():
            if difference[section]:
                console.print(_table(section, columns, [row(one) for one in difference[section]]))
        same = [name for name in _SECTIONS if not difference[name]]
        same = [name for name in same if name not in difference["not_recorded"]]
        if same:
            console.print(f"no difference: {', '.join(same)}", soft_wrap=True, highlight=False)
    for section, reason in difference["not_recorded"].items():
        console.print(f"{section}: {escape(reason)}", soft_wrap=True, highlight=False)


def _table(section: str, columns: Sequence[str], rows: Sequence[Row]) -> Table:
    table = Table(title=section, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", style="bold" if place == 0 else None)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _text(value: object) -> str:
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return plain(float(value))
    if isinstance(value, Mapping):
        return _text(value.get("value"))
    if isinstance(value, (list, tuple)):
        return short(", ".join(map(_text, value)), _WIDTH)
    return short(value, _WIDTH)


def _pair(change: Change) -> Row:
    return (change["key"], _text(change["before"]), _text(change["after"]))


def _setting(change: Change) -> Row:
    """A key of the config: as it is written there."""
    both = (change["before"], change["after"])
    return (change["key"], *(_NONE if one is None else short(_yaml(one), _WIDTH) for one in both))


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(change: Change) -> Row:
    """For a list of values: which are new and which are gone."""
    before, after = change["before"], change["after"]
    if isinstance(before, list) and isinstance(after, list):
        gone = [value for value in before if value not in after]
        new = [value for value in after if value not in before]
        return (change["key"], f"gone: {_text(gone) or _NONE}", f"new: {_text(new) or _NONE}")
    return _pair(change)


def _statistic(change: Change) -> Row:
    name = f"{change['feature']}, {change['split']}"
    return (name, change["figure"], _text(change["before"]), _text(change["after"]))


def _metric(change: Change) -> Row:
    moved = Interval(value=change["difference"], low=change["low"], high=change["high"])
    return (
        metric_title(change["metric"]),
        _measured(change["before"]),
        _measured(change["after"]),
        _NONE if moved.value is None else f"{signed(moved.value)} ({bounds(moved, sign=True)})",
    )


def _measured(raw: Change | None) -> str:
    if raw is None or raw["value"] is None:
        return _NONE
    interval = Interval(**raw)
    return f"{interval.value:.4f} ({bounds(interval)})"


def _slice(change: Change) -> Row:
    moved = change["difference"]
    return (
        change["slice"],
        *(_NONE if one is None else f"{one:.4f}" for one in (change["before"], change["after"])),
        _NONE if moved is None else signed(moved),
    )


def _gate(change: Change) -> Row:
    return (change["gate"], _text(change["before"]), _text(change["after"]), change["reason"])


def _seconds(change: Change) -> Row:
    return (change["component"], _text(change["before"]), _text(change["after"]))


_BOTH = ("key", "before", "after")
_SECTIONS: Mapping[str, tuple[Sequence[str], Callable[[Change], Row]]] = {
    "verdict": (("", "before", "after"), _pair),
    "config": (_BOTH, _setting),
    "data": (_BOTH, _pair),
    "statistics": (("feature, split", "figure", "before", "after"), _statistic),
    "schema": (_BOTH, _values),
    "source": (_BOTH, _pair),
    "versions": (("package", "before", "after"), _pair),
    "metrics": (("metric", "before", "after", "difference (runs as independent)"), _metric),
    "slices": (("slice", "before", "after", "difference"), _slice),
    "gates": (("gate", "before", "after", "why"), _gate),
    "variants": (("variant", "before", "after"), _pair),
    "seconds": (("component", "before", "after"), _seconds),
}
