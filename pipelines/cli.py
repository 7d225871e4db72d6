"""The `kelp` command. Nothing heavy is imported before a subcommand needs it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from contracts.errors import ConfigError, KelpError
from contracts.spared_imports import spare_imports
from pipelines.commands.beam import beam
from pipelines.commands.data import data
from pipelines.commands.kubeflow import kubeflow
from pipelines.commands.learning_rate import learning_rate
from pipelines.commands.node import node
from pipelines.commands.release import proxy, release, rollback
from pipelines.commands.schedule import schedule
from pipelines.commands.serving import serve, tf_serving
from pipelines.execution.interruption import exit_on_sigterm
from pipelines.process_environment import fix_environment

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
ARGUMENT_ERROR = 2
OTHER_ERROR = 1
INTERRUPTED = 130

_CONFIG = click.Path(path_type=Path)
_DATA = "CSV, Parquet, or a folder of images."
_OVERRIDES = click.argument("overrides", nargs=-1, metavar="[KEY.SUB=VALUE]...")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="kelp-mlops", prog_name="kelp")
def cli() -> None:
    """Kelp: from raw data to Keras models that are checked, compressed and ready to serve.

    A config, such as configs/flights.yaml, describes one learning problem. Any of its keys
    can be overridden on the command line, as in training.epochs=3.
    """


@cli.command()
@click.argument("config", type=_CONFIG)
@_OVERRIDES
@click.option(
    "--from", "start", metavar="COMPONENT", help="Run this component, and what follows, again."
)
@click.option("--no-cache", is_flag=True, help="Do everything again.")
@click.option("--require-blessing", is_flag=True, help="Exit with 3 if the model is not blessed.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Components at once; by default as many as cores and free memory allow.",
)
def run(
    config: Path,
    overrides: tuple[str, ...],
    start: str | None,
    no_cache: bool,
    require_blessing: bool,
    jobs: int | None,
) -> int:
    """Run the pipeline of CONFIG."""
    from pipelines.config.problem import load_config, require_schema

    loaded = load_config(config, overrides)
    require_schema(loaded)
    from pipelines import local

    return local.run(
        loaded,
        start,
        use_cache=not no_cache,
        require_blessing=require_blessing,
        jobs=jobs,
    )


@cli.command()
@click.argument("config", type=_CONFIG)
@_OVERRIDES
def check(config: Path, overrides: tuple[str, ...]) -> int:
    """Check CONFIG, its data and this machine, and run nothing."""
    from rich.console import Console

    from pipelines.commands.check import check as look
    from pipelines.commands.check import report
    from pipelines.config.problem import load_config

    return report(look(load_config(config, overrides)), Console(), Console(stderr=True))


@cli.command()
@click.argument("name")
@click.option(
    "--data", required=True, metavar="PATH", help="A file, folder, glob or pattern with {SPAN}."
)
@click.option("--label", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--force", is_flag=True, help="Replace a config of that name.")
def init(name: str, data: str, label: str, force: bool) -> int:
    """Write configs/NAME.yaml for data of your own."""
    from pipelines.commands.init import write_config

    path = write_config(name, data, label, force=force, show=click.echo)
    click.echo(f"wrote {path}: read it, then `kelp run {path}`")
    return 0


@cli.command()
@click.argument("data", metavar="DATA")
@click.option("--label", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def advise(data: str, label: str, as_json: bool) -> int:
    """Recommend a kind of model for DATA, from quick baseline models.

    DATA is a file, folder, glob or a pattern with {SPAN}, as for `kelp init`.
    """
    from pipelines.commands import advise as advising

    return _print(advising.advise(data, label), as_json, advising.to_json, advising.render)


@cli.group()
def schema() -> None:
    """Work with the schema of the data."""


@schema.command()
@click.argument("config", type=_CONFIG)
@_OVERRIDES
def freeze(config: Path, overrides: tuple[str, ...]) -> int:
    """Write the inferred schema of CONFIG beside it, for review and version control."""
    from pipelines.config.problem import load_config

    loaded = load_config(config, overrides)
    from pipelines.commands.schema import freeze as freeze_schema

    click.echo(f"wrote {freeze_schema(loaded)}: the data are checked against it from now on")
    return 0


@cli.command()
@click.argument("target", required=False, metavar="[RUN|CONFIG|NAME]")
def summary(target: str | None) -> int:
    """Print the summary of RUN, or of the latest run of CONFIG, of NAME, or of all pipelines."""
    from pipelines.runs.find import find_run

    folder = find_run(target)
    from pipelines.commands.summary import show

    show(folder)
    return 0


@cli.command()
@click.argument("model")
@click.option("--row", metavar="JSON|@FILE", help="The row: features and their raw values.")
@click.option("--data", type=_CONFIG, metavar="FILE", help="A CSV or Parquet file with the row.")
@click.option("--index", default=0, show_default=True, help="The row's place in FILE, from 0.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--html", type=_CONFIG, metavar="PAGE", help="Write an HTML page as well.")
def explain(
    model: str,
    row: str | None,
    data: Path | None,
    index: int,
    as_json: bool,
    html: Path | None,
) -> int:
    """Print what MODEL predicts for one row, and what each feature adds to it.

    MODEL is a SavedModel such as serving_models/flights/1, a folder of versions, or a name
    under serving_models/. A feature that is not given is missing.
    """
    from pipelines.commands import explain as explaining

    explained = explaining.explain_row(model, row, data, index)
    if html is not None:
        explaining.write_page(html, explained)
    return _print(explained, as_json, explaining.to_json, explaining.render)


@cli.command("models")
@click.argument("target", required=False, metavar="[CONFIG|NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def registered_models(target: str | None, as_json: bool) -> int:
    """List the registered versions of CONFIG or NAME, or of all models."""
    from pipelines.commands.models import list_versions, render

    return _print(list_versions(target), as_json, _indented, render)


@cli.command()
@click.argument("target", nargs=-1, metavar="[CONFIG|NAME] [VERSION|RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def why(target: tuple[str, ...], as_json: bool) -> int:
    """Print gate by gate why a model was or was not blessed, and its lineage.

    VERSION is a registered version, such as 3, or an alias: candidate, champion. RUN is a
    run's folder or id; the latest run where neither is given.
    """
    if len(target) > 2:
        raise click.UsageError("Expected at most a name, and a version or run.")
    from pipelines.commands.why import explain_verdict, render

    verdict = explain_verdict(target)
    return _print(verdict, as_json, lambda why: _indented(why.to_dict()), render)


@cli.command()
@click.argument("target", required=False, metavar="[RUN|NAME]")
def replay(target: str | None) -> int:
    """Repeat RUN from its recorded config, data and seed, and compare the metrics.

    RUN is a run's folder or id, or the name of a pipeline, whose latest run is meant.
    Nothing is taken from the cache, pushed to the serving root or tracked. Variants are left out.
    """
    from rich.console import Console

    from pipelines.commands.replay import replay as repeat
    from pipelines.runs.find import find_run

    return repeat(find_run(target), Console())


@cli.command()
@click.argument("target", required=False, metavar="[NAME|RUN]")
@click.option("--path", "only_path", is_flag=True, help="Print where it is, and open nothing.")
def report(target: str | None, only_path: bool) -> int:
    """Open the report of RUN, or of the latest run, in a browser; print where it is.

    RUN is a run's folder or id, or the name of a pipeline, whose latest run is meant.
    """
    from pipelines.commands.report import report_of, show
    from pipelines.runs.find import find_run

    page = report_of(find_run(target))
    click.echo(page)
    if not only_path and not show(page):
        click.echo("there is no browser to open it in here", err=True)
    return 0


@cli.command()
@click.argument("before", metavar="RUN1")
@click.argument("after", metavar="RUN2")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(before: str, after: str, as_json: bool) -> int:
    """Show what changed from RUN1 to RUN2: config, data, metrics, slices, gates, seconds.

    RUN is a run's folder or id, or the name of a pipeline, whose latest run is meant.
    """
    from pipelines.commands.diff import compare
    from pipelines.runs.diff_tables import render
    from pipelines.runs.find import find_run

    difference = compare(find_run(before), find_run(after))
    return _print(difference, as_json, _indented, render)


@cli.command()
@click.argument("artifact", required=False)
@click.option("--url", metavar="URL", help="Ask this server: URL[/v1/models/NAME].")
@click.option("--ca", type=_CONFIG, metavar="FILE", help="Root certificates (PEM) of the server's.")
@click.option("--data", type=_CONFIG, required=True, metavar="FILE", help=_DATA)
@click.option("--out", type=_CONFIG, metavar="FILE", help="FILE.csv, FILE.parquet or FILE.jsonl.")
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
@click.option("--delimiter", help="Of a CSV file.  [default: that of the training data]")
@click.option("--config", type=_CONFIG, metavar="CONFIG", help="Read FILE as its data are read.")
@click.option("--allow-missing", is_flag=True, help="Take absent columns as missing values.")
@click.option(
    "--keep", multiple=True, metavar="COLUMN", help="Write this column of FILE too; repeatable."
)
@click.option("--all-starts", is_flag=True, help="Of series: each window, not only the newest.")
def predict(
    artifact: str | None,
    data: Path,
    out: Path | None,
    rows: int | None,
    delimiter: str | None,
    config: Path | None,
    **others: Any,
) -> int:
    """Print, or write, what ARTIFACT predicts for the raw rows of a file.

    ARTIFACT is a SavedModel such as serving_models/flights/1, a folder of versions, a name
    under serving_models/, or a folder with artifact.json: artifacts/flights/1/tflite_int8.
    With --url it is the name of a model that a server has. All give the same columns.

    FILE is read as the model's training data were: delimiter, encoding, decimal mark, units,
    dates. A server does not know these: --config names the config that does.
    """
    from functools import partial

    from pipelines.commands.predict import RowOptions
    from pipelines.commands.predict import predict as predict_any

    server, authorities = others.pop("url"), others.pop("ca")
    predict_file = partial(predict_any, config=config, options=RowOptions(**others))
    if server is not None:
        from pipelines.commands.serve import asking

        with asking(server, artifact, authorities) as answering:
            missing = predict_file(answering, data, out, rows, delimiter)
    elif artifact is None:
        raise click.UsageError("it takes an ARTIFACT, or --url of a server")
    else:
        missing = predict_file(artifact, data, out, rows, delimiter)
    if missing:
        click.echo(f"warning: missing in every row: {', '.join(missing)}", err=True)
    return 0


for command in (beam, data, kubeflow, learning_rate, node, schedule):
    cli.add_command(command)
for command in (proxy, release, rollback, serve, tf_serving):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and gives its exit status; errors become a few lines.

    Returns:
      0 for success, 1 for an error, 2 for a wrong config or argument, 130 after Ctrl-C.
    """
    if arguments is None:  # this process is the command's own
        fix_environment(sys.argv[1:])
        exit_on_sigterm()
    spare_imports()
    try:
        return int(cli.main(arguments, prog_name="kelp", standalone_mode=False) or 0)
    except KelpError as error:
        return _print_error(
            error, ARGUMENT_ERROR if isinstance(error, ConfigError) else OTHER_ERROR
        )
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # a group without its subcommand
            click.echo(error.format_message(), err=True)
            return error.exit_code
        return _print_error(_usage_error(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _print_error(KelpError("interrupted"), INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OTHER_ERROR
    except Exception as error:  # noqa: BLE001 - the last resort, written down in full
        from pipelines.unexpected_errors import explain_unexpected

        return _print_error(explain_unexpected(error), OTHER_ERROR)


def _print(
    value: T, as_json: bool, to_json: Callable[[T], str], render: Callable[[T, Console], None]
) -> int:
    """Prints JSON where it is asked for, else what `render` makes of the value."""
    if as_json:
        click.echo(to_json(value))
    else:
        from rich.console import Console

        render(value, Console())
    return 0


def _indented(content: object) -> str:
    return json.dumps(content, indent=2)


def _print_error(error: KelpError, status: int) -> int:
    for line in error.lines():
        click.echo(line, err=True)
    return status


def _usage_error(error: click.ClickException) -> ConfigError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "kelp"
    what = " ".join(error.format_message().split())
    return ConfigError(what, where=command, fix=f"{command} --help")
