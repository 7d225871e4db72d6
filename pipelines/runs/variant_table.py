"""The variants of a candidate in the terminal: what each costs, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from evidence.variant_choice import ratio_of, times, told_of
from evidence.wording import figure, name_of, with_interval

_STYLES = {
    "block": "bold red",
    "warn": "yellow",
    "insufficient": "yellow",
    "pass": "green",
    "blessed": "green",
    "refused": "red",
    "failed": "red",
    "unsupported": "yellow",
}
_WIDE = 100  # columns, for a path or a sentence beside the figures
# Lean: float32 without the signatures for evaluation and explanation, as variants are written.
_RATIOS = {"bytes": "bytes", "lean": "lean_bytes", "gzip": "gzip_bytes", "p50": "p50_ms"}


def show_variants(
    variants: Sequence[Mapping[str, Any]], candidate: str | None, console: Console
) -> None:
    """Prints what the variants cost, and what became of each: beside it where there is room."""
    if not variants:
        return
    told = [told_of(one, candidate) for one in variants]
    if console.width >= _WIDE:
        console.print(_variant_table(variants, told))
        return
    console.print(_variant_table(variants, None))
    for one, text in zip(variants, told, strict=True):
        line = f"{one['name']}: {text}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _variant_table(variants: Sequence[Mapping[str, Any]], told: Sequence[str] | None) -> Table:
    """Costs as multiples of float32's, and the change of the main metric."""
    table = Table(title="variants against float32", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("variant", "status"):
        table.add_column(heading, no_wrap=True)
    for heading in (*_RATIOS, _metric_of(variants)):
        table.add_column(heading, justify="right", no_wrap=True)
    if told is not None:
        table.add_column("pushed to, or why not", overflow="fold")
    for place, one in enumerate(variants):
        ratios = (ratio_of(one, name) for name in _RATIOS.values())
        change = (one["difference"].get(one["metric"]) or {}).get("value")
        table.add_row(
            escape(one["name"]),
            Text(one["status"], _STYLES.get(one["status"], "")),
            *("" if ratio is None else times(ratio) for ratio in ratios),
            "" if change is None else f"{change:+.4f}",
            *([] if told is None else [escape(told[place])]),
        )
    return table


def _metric_of(variants: Sequence[Mapping[str, Any]]) -> str:
    return next((str(one["metric"]) for one in variants if one["metric"]), "metric")


def variant_gates(variants: Sequence[Mapping[str, Any]]) -> Table:
    """What each variant was asked, and how it came out."""
    table = Table(title="gates of the variants", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("variant", "outcome", "gate", "metric", "slice", "value", "bound"):
        table.add_column(heading, overflow="fold")
    for one in variants:
        for gate in one["gates"]:
            value, bound = gate["value"], gate["bound"]
            table.add_row(
                escape(one["name"]),
                Text(gate["outcome"], _STYLES.get(gate["outcome"], "")),
                gate["gate"].removeprefix("variant_"),
                escape(gate["metric"]),
                escape(name_of(gate["slice"] or {})),
                "" if value is None else escape(with_interval(value, gate)),
                "" if bound is None else figure(bound),
            )
    return table
