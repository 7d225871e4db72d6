"""The variants of a candidate in the terminal: what each costs, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from contracts.results.gates import Gate
from contracts.results.variant import PlacedVariant
from evidence.variant_choice import place_or_reason, times
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
    variants: Sequence[PlacedVariant], candidate: str | None, console: Console
) -> None:
    """Prints what the variants cost, and what became of each: beside it where there is room."""
    if not variants:
        return
    places = [place_or_reason(variant, candidate) for variant in variants]
    if console.width >= _WIDE:
        console.print(_variant_table(variants, places))
        return
    console.print(_variant_table(variants, None))
    for variant, place in zip(variants, places, strict=True):
        line = f"{variant.name}: {place}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _variant_table(variants: Sequence[PlacedVariant], places: Sequence[str] | None) -> Table:
    """Costs as multiples of float32's, and the change of the main metric."""
    table = Table(title="variants against float32", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("variant", "status"):
        table.add_column(heading, no_wrap=True)
    for heading in (*_RATIOS, variants[0].metric):
        table.add_column(heading, justify="right", no_wrap=True)
    if places is not None:
        table.add_column("pushed to, or why not", overflow="fold")
    for row, variant in enumerate(variants):
        ratios = (variant.ratios.get(name) for name in _RATIOS.values())
        change = variant.main_difference.value
        table.add_row(
            escape(variant.name),
            Text(variant.status, _STYLES.get(variant.status, "")),
            *("" if ratio is None else times(ratio) for ratio in ratios),
            "" if change is None else f"{change:+.4f}",
            *([] if places is None else [escape(places[row])]),
        )
    return table


def variant_gates(variants: Sequence[PlacedVariant]) -> Table:
    """What was required of each variant, and how it came out."""
    table = Table(title="gates of the variants", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("variant", "outcome", "gate", "metric", "slice", "value", "bound"):
        table.add_column(heading, overflow="fold")
    for variant in variants:
        for gate in variant.gates:
            table.add_row(escape(variant.name), *gate_cells(gate, ""))
    return table


def gate_cells(gate: Gate, subject: str) -> Iterator[Text | str]:
    """Outcome, gate, metric, slice or what it is about otherwise, value and bound."""
    yield Text(gate.outcome, _STYLES.get(gate.outcome, ""))
    yield gate.gate.removeprefix("variant_")
    yield escape(gate.metric)
    yield escape(name_of(gate.slice or {}) or subject)
    yield "" if gate.value is None else escape(with_interval(gate.value, gate))
    yield "" if gate.bound is None else figure(gate.bound)
