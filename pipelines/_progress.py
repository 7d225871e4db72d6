"""A live line per component in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Live
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn


class Progress:
    """Says which component works, and what it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = 18

    def expect(self, names: Iterable[str]) -> None:
        """Makes room for the longest name."""
        self._width = max(map(len, names), default=self._width)

    @contextmanager
    def working(self, name: str) -> Iterator[None]:
        """Shows `name` with its running time while the block runs."""
        if not self._console.is_terminal:
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Live(*columns, console=self._console, transient=True) as live:
            live.add_task(f"{name:<{self._width}}", total=None)
            yield

    def done(self, name: str, seconds: float, cached: bool, rows: int | None, mib: float) -> None:
        """Prints the component's line."""
        took = "cached" if cached else f"{seconds:.1f} s"
        counted = f"{rows:,} rows" if rows is not None else ""
        self._console.print(
            f"{name:<{self._width}}{took:>9}  {counted:>14}  {mib:>7,.0f} MiB peak", highlight=False
        )
