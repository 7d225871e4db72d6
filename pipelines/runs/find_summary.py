"""Which run's summary is meant."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import ConfigError
from contracts.text import did_you_mean, some

_SUMMARY = Path("latest") / "summary.json"


def latest_summary(target: str | None, runs: Path = Path("runs")) -> Path:
    """Gives the newest summary.

    Args:
      target: A config, the name of one, a run folder, or None for the newest of all.
      runs: Where runs are; a config says so itself.

    Raises:
      ConfigError: There is no such run.
    """
    if target is None:
        found = sorted(runs.glob(f"*/{_SUMMARY}"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise _no_run(runs, "", [])
        return found[-1]
    path = Path(target)
    if path.suffix in (".yaml", ".yml"):
        from pipelines.config.problem import load_config

        config = load_config(path).config
        runs, target = Path(config.runs), config.name
    elif path.is_dir() and (path / "summary.json").is_file():
        return path / "summary.json"
    summary = runs / target / _SUMMARY
    if not summary.is_file():
        raise _no_run(runs, target, sorted(one.parts[-3] for one in runs.glob(f"*/{_SUMMARY}")))
    return summary


def _no_run(runs: Path, name: str, known: list[str]) -> ConfigError:
    return ConfigError(
        f"there is no run of {name!r}" if name else "there is no run",
        where=str(runs / name),
        expected=f"one of: {some(known)}" if known else "a run",
        fix=did_you_mean(name, known) or "kelp run CONFIG",
    )
