"""`kelp kubeflow`: the pipeline as one of Kubeflow Pipelines 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipelines.config.problem import LoadedConfig

_CONFIG = click.argument("config", type=click.Path(path_type=Path))
_OVERRIDES = click.argument("overrides", nargs=-1, metavar="[KEY.SUB=VALUE]...")
_HOST = click.option("--host", metavar="URL", help="Kubeflow's address, in place of the config's.")
_RUNS_SHOWN = 10


@click.group()
def kubeflow() -> None:
    """Compile the pipeline for Kubeflow, and run it there.

    The key kubeflow of the config says how: image, storage, secrets, resources, granularity.
    """


@kubeflow.command("compile")
@_CONFIG
@_OVERRIDES
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE.yaml"
)
def compile_pipeline(config: Path, overrides: tuple[str, ...], out: Path) -> int:
    """Write the pipeline of CONFIG as YAML, which Kubeflow's own tools take too."""
    loaded = _load(config, overrides)
    from pipelines.kubeflow.compile import compile_to

    compile_to(loaded, out)
    click.echo(f"wrote {out}: granularity {loaded.config.kubeflow.granularity}")
    return 0


@kubeflow.command()
@_CONFIG
@_OVERRIDES
@_HOST
def submit(config: Path, overrides: tuple[str, ...], host: str | None) -> int:
    """Run the pipeline of CONFIG now: as a new version where something has changed."""
    loaded = _load(config, overrides)

    def start(cluster: Any, version: Any) -> None:
        run = cluster.run(version)
        click.echo(f"started run {run} of {version.name}: {cluster.link(run)}")

    return _with_version(loaded, host, start)


@kubeflow.command()
@_CONFIG
@_OVERRIDES
@click.option("--cron", required=True, metavar="EXPRESSION", help="Such as '0 3 * * *'.")
@_HOST
def schedule(config: Path, overrides: tuple[str, ...], cron: str, host: str | None) -> int:
    """Run the pipeline of CONFIG by the clock, one run at a time, in place of its schedule."""
    from pipelines.schedules.cron import parse_cron

    expression = parse_cron(cron)
    loaded = _load(config, overrides)

    def begin(cluster: Any, version: Any) -> None:
        made = cluster.schedule(version, expression.with_seconds())
        click.echo(f"scheduled {version.name} at {expression}: recurring run {made}")

    return _with_version(loaded, host, begin)


@kubeflow.command("list")
@_CONFIG
@_OVERRIDES
@_HOST
def list_runs(config: Path, overrides: tuple[str, ...], host: str | None) -> int:
    """List the schedules and the latest runs of the pipeline of CONFIG."""
    from itertools import islice

    from rich.console import Console
    from rich.table import Table

    from pipelines.kubeflow.client import Kubeflow

    cluster = Kubeflow(_load(config, overrides), host)
    table = Table("what", "id", "state", "when")
    for one in cluster.recurring_runs():
        cron = one.trigger.cron_schedule.cron if one.trigger.cron_schedule else ""
        table.add_row("schedule", one.recurring_run_id, str(one.status), cron)
    for run in islice(cluster.runs(), _RUNS_SHOWN):
        table.add_row("run", run.run_id, str(run.state), f"{run.created_at:%Y-%m-%d %H:%M}")
    Console().print(table)
    return 0


@kubeflow.command()
@_CONFIG
@_OVERRIDES
@click.option("--runs", is_flag=True, help="End the runs that are under way, too.")
@_HOST
def stop(config: Path, overrides: tuple[str, ...], runs: bool, host: str | None) -> int:
    """Remove the schedule of the pipeline of CONFIG."""
    from contracts.text import count
    from pipelines.kubeflow.client import Kubeflow

    schedules, ended = Kubeflow(_load(config, overrides), host).stop(runs=runs)
    click.echo(f"removed {count(schedules, 'schedule')}, ended {count(ended, 'run')}")
    return 0


def _load(config: Path, overrides: tuple[str, ...]) -> LoadedConfig:
    from pipelines.config.problem import load_config, require_schema

    loaded = load_config(config, overrides)
    require_schema(loaded)
    return loaded


def _with_version(loaded: LoadedConfig, host: str | None, start: Callable[[Any, Any], None]) -> int:
    """Compiles, uploads what is new, and starts something with it."""
    import tempfile

    from pipelines.kubeflow.client import Kubeflow
    from pipelines.kubeflow.compile import pipeline_text

    cluster = Kubeflow(loaded, host)  # who does not answer costs no compilation
    with tempfile.TemporaryDirectory(prefix="kelp-kubeflow-") as folder:
        start(cluster, cluster.upload(pipeline_text(loaded), Path(folder)))
    return 0
