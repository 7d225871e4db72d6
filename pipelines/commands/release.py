"""The commands that bring versions to the traffic: proxy, release and rollback."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from serving.release.plan import Outcome, Plan

_PATH = click.Path(path_type=Path)
_CONFIG = click.option(
    "--config", type=_PATH, metavar="FILE", help="configs/serving.yaml where there is one."
)
_MODELS_ROOT = click.option(
    "--models-root", type=_PATH, help="SavedModels, releases.json.  [default: serving_models]"
)
_MODEL_CONFIG = click.option(
    "--model-config-file", type=_PATH, metavar="FILE", help="models.config, if not in the root."
)
_SERVER = click.option(
    "--server", default="http://127.0.0.1:8501", show_default=True, metavar="URL"
)
PROXY_PORT = 8502
_AT_ONCE = "at once"


@click.command()
@click.option("--upstream", default="http://127.0.0.1:8501", show_default=True, metavar="URL")
@click.option("--upstream-ca", type=_PATH, metavar="PEM", help="Root certificates of upstream.")
@_CONFIG
@click.option("--host", metavar="ADDRESS", help="Listen here.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=PROXY_PORT, show_default=True)
@_MODELS_ROOT
@click.option("--log", type=_PATH, metavar="FOLDER", help="Keep a sample of the requests here.")
@click.option("--sample", type=click.FloatRange(0, 1), help="The share to keep.  [default: 0.01]")
def proxy(
    upstream: str,
    upstream_ca: Path | None,
    config: Path | None,
    host: str | None,
    port: int,
    models_root: Path | None,
    log: Path | None,
    sample: float | None,
) -> int:
    """Run a proxy in front of a server: split its traffic between versions, and log requests.

    The server is Kelp's or TensorFlow Serving. Until Ctrl-C or SIGTERM.
    """
    from serving.config import load_spec
    from serving.proxy.server import serve_proxy
    from serving.release.state import RELEASES_FILE
    from serving.versions.mirror import require_local

    given = {"host": host, "port": port, "models_root": str(models_root) if models_root else None}
    spec = load_spec(config, given)
    changes = {"folder": log, "sample": sample}
    kept = {key: value for key, value in changes.items() if value is not None}
    spec = spec.model_copy(update={"request_log": spec.request_log.model_copy(update=kept)})
    releases = require_local(spec.models_root, "kelp proxy") / RELEASES_FILE
    return serve_proxy(upstream, spec, releases, click.echo, upstream_ca)


@click.command()
@click.argument("name")
@click.option("--canary", "share", metavar="PERCENT", help="Try it with this share of the traffic.")
@click.option("--at-once", "share", flag_value=_AT_ONCE, help="No trial: all traffic goes to it.")
@click.option("--version", type=click.IntRange(min=0), help="To release.  [default: the newest]")
@_SERVER
@click.option(
    "--proxy", metavar="URL", help=f"[default for a canary: http://127.0.0.1:{PROXY_PORT}]"
)
@_CONFIG
@_MODELS_ROOT
@_MODEL_CONFIG
def release(name: str, share: str | None, **options: Any) -> int:
    """Give the newest version of NAME a share of the traffic; promote it or go back.

    Errors, latency and predictions are compared with those of the stable version, within the
    budget in the config. The exit status is not 0 where the version went back. A release that
    fails leaves models.config and releases.json as they were.

    With --at-once the version takes all traffic without a trial, a model's first one for
    example. From then on, versions that are pushed wait for their release.
    """
    from serving.release import controller

    if share is None:
        raise click.UsageError("Give either --canary PERCENT or --at-once.")
    canary = None if share == _AT_ONCE else _percent(share)
    if canary is not None and options["proxy"] is None:
        options["proxy"] = f"http://127.0.0.1:{PROXY_PORT}"
    plan = _plan(name, **options)
    if canary is None:
        return _carry_out(lambda: controller.release_at_once(plan, click.echo))
    return _carry_out(lambda: controller.release(plan, canary, click.echo))


@click.command()
@click.argument("name")
@click.option("--version", type=click.IntRange(min=0), help="To return to.  [default: previous]")
@_SERVER
@click.option("--proxy", metavar="URL", help="Wait until this proxy follows.")
@_CONFIG
@_MODELS_ROOT
@_MODEL_CONFIG
def rollback(name: str, **options: Any) -> int:
    """Return NAME to its previous version, or take its canary back; no request fails."""
    from serving.release import controller

    plan = _plan(name, **options)
    return _carry_out(lambda: controller.rollback(plan, click.echo))


def _percent(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a number.", param_hint="--canary") from error


def _plan(
    name: str,
    *,
    version: int | None,
    server: str,
    proxy: str | None,
    config: Path | None,
    models_root: Path | None,
    model_config_file: Path | None,
) -> Plan:
    """What to release or roll back, as the command line and the server's config say."""
    from components.tracker.config import TrackingSpec, tracking_uri
    from pipelines.commands.serve import API_KEY
    from serving.config import load_spec
    from serving.release.plan import Plan
    from serving.release.traffic import Place
    from serving.versions.mirror import require_local

    given = {"models_root": models_root, "model_config_file": model_config_file}
    spec = load_spec(config, {key: str(path) for key, path in given.items() if path})
    file = Path(spec.model_config_file) if spec.model_config_file else None
    return Plan(
        place=Place(name, require_local(spec.models_root, "kelp release"), file),
        server=server,
        proxy=proxy,
        spec=spec.release,
        version=version,
        api_key=os.environ.get(spec.api_key_env or API_KEY),
        tracking_uri=tracking_uri(TrackingSpec()),
    )


def _carry_out(act: Callable[[], Outcome]) -> int:
    """Releases or rolls back, prints what came of it, and gives the status to exit with."""
    # Whoever stops a release means its canary, too: other signals take it back as Ctrl-C does.
    before = {
        one: signal.signal(one, signal.default_int_handler)
        for one in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        outcome = act()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    click.echo("\n".join(outcome.lines()))
    return outcome.status
