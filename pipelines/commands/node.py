"""`kelp node`: the nodes of the graph one by one, for other orchestrators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.config.problem import LoadedConfig

_CONFIG = click.argument("config", type=click.Path(path_type=Path))
_OVERRIDES = click.argument("overrides", nargs=-1, metavar="[KEY.SUB=VALUE]...")
_RUN_ID = click.option(
    "--run-id", required=True, metavar="ID", help="The run; the same for all of its nodes."
)
_ROOT = click.option(
    "--root", metavar="DIR", help="Where runs are, in place of the config's key runs."
)


@click.group()
def node() -> None:
    """Run the nodes of the pipeline one by one, from another orchestrator."""


@node.command("run")
@_CONFIG
@click.argument("name", metavar="NODE")
@_OVERRIDES
@_RUN_ID
@_ROOT
def run(config: Path, name: str, overrides: tuple[str, ...], run_id: str, root: str | None) -> int:
    """Run one NODE of the pipeline of CONFIG, and what resolves its baseline.

    The nodes of a run may run in other processes, or on other machines, that share the runs
    folder and the metadata store. A NODE that has succeeded in this run is not done again.
    """
    loaded = _load(config, overrides, root)
    from pipelines.node import run_node

    return run_node(loaded, name, run_id)


@node.command("list")
@_CONFIG
@_OVERRIDES
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_nodes(config: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """List the nodes of the pipeline of CONFIG in order, with those that each needs."""
    loaded = _load(config, overrides, None)
    from pipelines.execution.steps import graph_steps

    steps = graph_steps(loaded)
    if as_json:
        content = [{"node": step.name, "needs": sorted(step.needs)} for step in steps]
        click.echo(json.dumps(content, indent=2))
        return 0
    width = max(len(step.name) for step in steps)
    for step in steps:
        click.echo(f"{step.name:<{width}}  {', '.join(sorted(step.needs))}".rstrip())
    return 0


@node.command("finish")
@_CONFIG
@_OVERRIDES
@_RUN_ID
@_ROOT
@click.option("--require-blessing", is_flag=True, help="Exit with 3 if the model is not blessed.")
def finish(
    config: Path,
    overrides: tuple[str, ...],
    run_id: str,
    root: str | None,
    require_blessing: bool,
) -> int:
    """Write the summary and the report of a run, whether its nodes succeeded or not."""
    loaded = _load(config, overrides, root)
    from pipelines.node import finish_run

    return finish_run(loaded, run_id, require_blessing=require_blessing)


def _load(config: Path, overrides: tuple[str, ...], root: str | None) -> LoadedConfig:
    from pipelines.config.problem import load_config, require_schema

    given = overrides if root is None else (*overrides, f"runs={json.dumps(root)}")
    loaded = load_config(config, given)
    require_schema(loaded)
    return loaded
