"""Which run folder is meant."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import ConfigError
from contracts.storage.location import is_remote
from contracts.text import did_you_mean, some
from pipelines.execution.remote_root import local_runs, run_by_address

SUMMARY = "summary.json"
LATEST = "latest"


_RUNS = Path("runs")


def find_run(target: str | None) -> Path:
    """Gives a run's folder.

    Args:
      target: The folder or its address in a bucket, the run's id (after its pipeline's name or
        alone), a config or the name of one, or `latest` or None for the latest run of all
        pipelines.

    Raises:
      ConfigError: There is no such run, or several pipelines have one of that id.
    """
    found = look_for_run(target, None)
    if found is None:
        known = sorted({path.parts[-3] for path in _RUNS.glob(f"*/*/{SUMMARY}")})
        raise ConfigError(
            f"there is no run {target!r}" if target else "there is no run",
            where=str(_RUNS),
            expected=f"a run folder, or one of: {some(known)}" if known else "a run",
            fix=did_you_mean(target or "", known) or "kelp run CONFIG",
        )
    return found


def look_for_run(target: str | None, name: str | None, runs: Path = _RUNS) -> Path | None:
    """As `find_run`, of the pipeline `name` where it is given; None where there is no such run."""
    if target is not None and Path(target).suffix in (".yaml", ".yml"):
        from pipelines.config.problem import load_config

        config = load_config(Path(target)).config
        return look_for_run(LATEST, config.name, local_runs(config.runs, config.name))
    if target is not None and is_remote(target):
        return run_by_address(target)
    for place in (Path(target), runs / target) if target is not None else ():
        if (place / SUMMARY).is_file():
            return place.resolve()
    pattern = name or "*"
    if target is None or target == LATEST:
        return _newest(list(runs.glob(f"{pattern}/{LATEST}/{SUMMARY}")))
    if name is None and (runs / target / LATEST / SUMMARY).is_file():
        return (runs / target / LATEST).resolve()
    return _only(sorted(runs.glob(f"{pattern}/{target}/{SUMMARY}")), target, runs)


def _newest(summaries: list[Path]) -> Path | None:
    newest = max(summaries, key=lambda path: path.stat().st_mtime_ns, default=None)
    return None if newest is None else newest.parent.resolve()


def _only(summaries: list[Path], target: str, runs: Path) -> Path | None:
    if len(summaries) > 1:
        names = [path.parts[-3] for path in summaries]
        raise ConfigError(
            f"several pipelines have a run {target!r}",
            where=str(runs),
            expected=f"the name of one: {some(names)}",
            fix=f"name it, as in {runs / names[0] / target}",
        )
    return summaries[0].parent.resolve() if summaries else None
