"""One run, as far as it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pipelines.config.problem import LoadedConfig
    from pipelines.execution.execute import NodeDone
    from pipelines.execution.nodes import Outputs

T = TypeVar("T")
SETUP = "Setup"


@dataclass
class RunState:
    """One run, as far as it has come.

    Attributes:
      loaded: Its config.
      root: The pipeline's folder of runs.
      folder: The run's own.
      started: When it began, as ISO 8601.
      seconds: By node, what it took.
      cached: By node, whether it came from the cache.
      memory: By node, the most memory it had, in MiB.
      outputs: By node, its artifacts.
      order: The nodes as the graph has them.
      current: Where it is.
    """

    loaded: LoadedConfig
    root: Path
    folder: Path
    started: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat())
    seconds: dict[str, float] = field(default_factory=dict)
    cached: dict[str, bool] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, Outputs] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    current: str = SETUP

    @property
    def run_id(self) -> str:
        """The name of the run's folder."""
        return self.folder.name

    @property
    def started_at(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(self.started)

    @property
    def first_current(self) -> str:
        """The first of the nodes at which it is."""
        return self.current.partition(",")[0]

    def log(self, component: str) -> Path:
        """Where a component's output goes."""
        return self.folder / "logs" / f"{component}.log"

    def keep(self, done: NodeDone) -> None:
        """Remembers a node that ended well."""
        self.seconds[done.name] = round(done.seconds, 2)
        self.cached[done.name] = done.result.cached
        self.memory[done.name] = round(done.memory_mib)
        self.outputs[done.name] = done.result.outputs

    def facts(self, status: str, error: Sequence[str] | None = None) -> dict[str, Any]:
        """The fields of the summary that the runner knows.

        Args:
          status: How the run ended.
          error: What was printed where it failed.
        """
        elapsed = datetime.now(timezone.utc) - self.started_at
        return {
            "run_id": self.run_id,
            "status": status,
            "stopped_at": None if error is None else self.current,
            "error": None if error is None else list(error),
            "started": self.started,
            "total_seconds": round(elapsed.total_seconds(), 1),
            "seconds": self._in_order(self.seconds),
            "cached": self._in_order(self.cached),
            "peak_memory_mib": self._in_order(self.memory),
        }

    def _in_order(self, values: dict[str, T]) -> dict[str, T]:
        """As the graph has them, in whatever order they ended."""
        return {name: values[name] for name in [SETUP, *self.order] if name in values}
