"""`kelp schedule`: runs by the clock, by the scheduler that is there already."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.schedules.job import Job

_FORMS = ("systemd", "crontab", "cronjob", "argo")
_INSTALLED = ("systemd", "crontab")


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY.SUB=VALUE]...")
@click.option("--cron", required=True, metavar="EXPRESSION", help="Such as '0 3 * * *'.")
@click.option("--as", "form", type=click.Choice(_FORMS), required=True, help="The scheduler.")
@click.option("--install", is_flag=True, help="Install it for this user: systemd, crontab.")
@click.option("--timeout", default="12h", show_default=True, help="End a run after this long.")
@click.option("--timezone", metavar="ZONE", help="Such as Europe/Paris; the scheduler's own.")
@click.option("--on-failure", metavar="COMMAND", help="Run this after a failed run.")
def schedule(
    config: Path,
    overrides: tuple[str, ...],
    cron: str,
    form: str,
    install: bool,
    timeout: str,
    timezone: str | None,
    on_failure: str | None,
) -> int:
    """Print what runs CONFIG on a schedule (units, a line or a manifest), or install it.

    Each has a lock, a time limit, a log and an alert. cronjob and argo are objects of Kubernetes
    that take image, storage, secrets and resources from the config's key kubeflow.
    """
    if install and form not in _INSTALLED:
        raise click.UsageError(
            f"--install knows systemd and crontab; pipe the manifest of {form} to kubectl apply"
        )
    from contracts.duration import seconds_of
    from pipelines.config.problem import load_config, require_schema
    from pipelines.schedules.cron import parse_cron
    from pipelines.schedules.job import Job

    try:
        timeout_s = seconds_of(timeout)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from error
    expression = parse_cron(cron)
    loaded = load_config(config, overrides)
    require_schema(loaded)
    job = Job(loaded, expression, Path.cwd(), _kelp(), timeout_s, _known_zone(timezone), on_failure)
    for line in _install(job, form) if install else _printed(job, form):
        click.echo(line)
    return 0


def _printed(job: Job, form: str) -> list[str]:
    from pipelines.schedules import argo, cronjob, crontab, systemd

    if form == "systemd":
        return [f"# {name}\n{text}" for name, text in systemd.unit_files(job).items()]
    texts = {
        "crontab": crontab.crontab_lines,
        "cronjob": cronjob.manifest,
        "argo": argo.manifest,
    }
    return [texts[form](job).rstrip("\n")]


def _install(job: Job, form: str) -> list[str]:
    from pipelines.schedules import crontab, systemd

    if form == "crontab":
        return crontab.install(job)
    configured = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return systemd.install(job, Path(configured).expanduser() / "systemd" / "user")


def _kelp() -> Path:
    """The command beside this Python: a scheduler's path does not have it."""
    return Path(sys.executable).with_name("kelp")


def _known_zone(name: str | None) -> str | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name is not None:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of zones
            raise click.BadParameter(
                f"there is no time zone {name!r}; expected such as Europe/Paris or UTC",
                param_hint="--timezone",
            ) from error
    return name
