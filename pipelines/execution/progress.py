"""A live line for each component that works in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Live
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Progress:
    """Says which components work, and what each took."""

    def __init__(self, console: Console, only: str | None = None) -> None:
        """Shows nothing yet.

        Args:
          console: Where to.
          only: The one component to speak of; all where not given.
        """
        self._console, self._only = console, only
        self._width = 18
        self._tasks: dict[str, TaskID] = {}
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        # Refreshed by the run itself: a thread of its own would be lost in a fork. What the
        # forked processes print is not for the terminal.
        self._live = Live(
            *columns,
            console=console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the live lines while the block runs."""
        if not self._console.is_terminal:
            yield
            return
        with self._live:
            yield

    def expect(self, names: Iterable[str]) -> None:
        """Makes room for the longest name."""
        self._width = max([self._width, *map(len, names)])

    def start(self, name: str) -> None:
        """Shows `name` with its running time from now on."""
        if self._only not in (None, name):
            return
        self._tasks[name] = self._live.add_task(f"{name:<{self._width}}", total=None)
        self.refresh()

    def refresh(self) -> None:
        """Brings the live lines up to date."""
        if self._console.is_terminal:
            self._live.refresh()

    def done(self, name: str, seconds: float, cached: bool, rows: int | None, mib: float) -> None:
        """Prints the component's line."""
        if self._only not in (None, name):
            return
        if name in self._tasks:
            self._live.remove_task(self._tasks.pop(name))
        took = "cached" if cached else f"{seconds:.1f} s"
        counted = f"{rows:,} rows" if rows is not None else ""
        self._console.print(
            f"{name:<{self._width}}{took:>9}  {counted:>14}  {mib:>7,.0f} MiB peak", highlight=False
        )
        self.refresh()
