"""What is scheduled: one command of Kelp, its lock, time limit, log and alert."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.config.problem import LoadedConfig
from pipelines.schedules.cron import Cron

# From the signal that ends a run in order to the one that kills it.
GRACE_S = 120


@dataclass(frozen=True)
class Job:
    """A run by the clock.

    Attributes:
      loaded: The config.
      cron: When it begins.
      folder: Where the command is called.
      kelp: The command `kelp`, as this machine has it.
      timeout_s: Seconds after which it is ended.
      timezone: Of the expression; None is that of the scheduler.
      on_failure: A shell's command that alerts; None for the one of the form.
    """

    loaded: LoadedConfig
    cron: Cron
    folder: Path
    kelp: Path
    timeout_s: int
    timezone: str | None = None
    on_failure: str | None = None

    @property
    def name(self) -> str:
        """The name of units and objects."""
        return f"kelp-{self.loaded.config.name}".replace("_", "-").rstrip("-")

    @property
    def runs(self) -> Path:
        """The folder of the pipeline's runs, where lock and log are."""
        config = self.loaded.config
        # A bucket holds neither a lock nor a log that grows.
        runs = "runs" if "://" in config.runs else config.runs
        return self.folder / runs / config.name

    @property
    def command(self) -> list[str]:
        """The command on this machine."""
        loaded = self.loaded
        return [str(self.kelp), "run", str(loaded.path), *loaded.overrides]

    @property
    def message(self) -> str:
        """What is reported after a failure where nothing else is asked for."""
        return f"kelp: the scheduled run of {self.loaded.config.name} failed"
