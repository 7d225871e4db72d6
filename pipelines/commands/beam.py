"""`kelp beam`: gets what a run on a cluster needs."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def beam() -> None:
    """Get what a run on Flink or Spark needs: see docs/beam.md."""


@beam.command()
@click.argument("runner", type=click.Choice(["flink", "spark"]))
@click.option("--version", metavar="VERSION", help="Of Flink, such as 1.20, which is the default.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("jars"),
    show_default=True,
    help="The folder; `beam.job_server.jar` is looked for in the default one.",
)
def fetch(runner: str, version: str | None, out: Path) -> int:
    """Get Beam's job server for RUNNER by Maven."""
    from contracts.files import file_digest
    from pipelines.beam.jars import fetch as get
    from pipelines.beam.spec import FLINK_VERSIONS

    known = FLINK_VERSIONS if runner == "flink" else ("3",)
    chosen = version or ("1.20" if runner == "flink" else "3")
    if chosen not in known:
        raise click.UsageError(f"--version {chosen}: Beam knows {', '.join(known)} of {runner}")
    jar = get(runner, chosen, out)
    click.echo(f"{jar}\nsha256: {file_digest(jar)}")
    return 0
