"""`kelp lr`: which learning rate to take, by a range test on the rows of train."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from contracts.results.range_test import RangeTest
    from pipelines.config.problem import LoadedConfig

KEY = "training.optimizer.learning_rate"
_FOLDER = "learning_rates"


@click.command("lr")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY.SUB=VALUE]...")
@click.option("--low", type=float, default=1e-6, show_default=True, help="The first rate.")
@click.option("--high", type=float, default=1.0, show_default=True, help="The last one.")
def learning_rate(config: Path, overrides: tuple[str, ...], low: float, high: float) -> int:
    """Find a learning rate for CONFIG by a range test.

    Trains the network of CONFIG on train while the rate rises from step to step, until the
    loss explodes. What comes before the Trainer is taken from earlier runs where nothing has
    changed since. Prints the rate to take, and where the picture is.
    """
    if not 0 < low <= high / 10:
        raise click.UsageError("--low is above 0, and --high is at least ten times as much")
    from pipelines.config.problem import load_config, require_schema

    loaded = load_config(config, overrides)
    require_schema(loaded)
    found, page = find_rate(loaded, (low, high))
    for line in summary_lines(found, page):
        click.echo(line)
    return 0


def find_rate(loaded: LoadedConfig, bounds: tuple[float, float]) -> tuple[RangeTest, Path]:
    """Runs what is missing up to Transform, sweeps, and writes figures and picture.

    Args:
      loaded: The validated config.
      bounds: The first rate and the last one.

    Raises:
      KelpError: a component failed, or the loss fell at no rate.
    """
    from contracts.results.files import write_result
    from contracts.temporary import temporary_files_apart
    from pipelines.execution.capture import captured
    from pipelines.execution.folders import new_folder
    from pipelines.execution.graph import pipeline_root
    from pipelines.local import artifacts_until

    folder = new_folder(pipeline_root(loaded) / _FOLDER)
    artifacts = artifacts_until(loaded, "Transform", folder)
    with temporary_files_apart(), captured(folder / "logs" / "RangeTest.log"):
        import tensorflow_transform as tft
        from tfx.utils import io_utils

        from components.artifacts import split_files
        from models.training.range_test import measure
        from report.range_test import write_page

        (examples,) = artifacts["ExampleGen"]["examples"]
        (schema,) = artifacts["DataGate"]["schema"]
        (graph,) = artifacts["Transform"]["transform_graph"]
        found = measure(
            loaded.config.trainer(),
            split_files(examples, "train"),
            io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri)),
            tft.TFTransformOutput(graph.uri),
            bounds,
        )
        write_result(folder, found)
        return found, write_page(folder, found, loaded.config.name, KEY)


def summary_lines(found: RangeTest, page: Path) -> Iterator[str]:
    """Gives what to print: the value with its key, the rule, the figures, the picture."""
    from report.range_test import RULE

    yield f"{KEY}={found.recommended:g}  (now {found.current:g})"
    yield f"lowest loss at {found.lowest:.2g}, steepest fall at {found.steepest:.2g}, " + (
        f"no divergence up to {found.rates[-1]:.2g}"
        if found.diverges is None
        else f"diverges at {found.diverges:.2g}"
    )
    yield RULE
    yield f"picture: {os.path.relpath(page)}"
