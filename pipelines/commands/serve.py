"""The command line's way to `serving`, which no other module of the pipelines imports."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from components.tracker.config import TrackingSpec, tracking_uri
from pipelines.prediction.remote import RemotePredictor

API_KEY = "KELP_API_KEY"


def run_server(config: Path | None, given: Mapping[str, Any]) -> int:
    """Serves until it is stopped, and gives the status to exit with.

    Args:
      config: The server's config; None takes configs/serving.yaml where there is one.
      given: What the command line says, by key; None is not given.

    Raises:
      KelpError: the config is wrong, or the server cannot start.
    """
    import click

    from serving.config import load_spec
    from serving.server import serve

    spec = load_spec(config, given)
    return serve(spec, click.echo)


def write_production(
    config: Path | None, models_root: Path | None, out: Path, base: str
) -> list[str]:
    """Writes TensorFlow Serving's config files, and gives the models' names.

    Args:
      config: The server's config; None takes configs/serving.yaml where there is one.
      models_root: Where the SavedModels are; None takes the config's.
      out: Where to write.
      base: The models root as TensorFlow Serving sees it.

    Raises:
      KelpError: the config is wrong, there is no model, or nothing can be written.
    """
    from serving.config import load_spec
    from serving.production import write_server_files
    from serving.versions.mirror import require_local

    spec = load_spec(config, {"models_root": str(models_root) if models_root else None})
    root = require_local(spec.models_root, "kelp tf-serving")
    return write_server_files(out, root, spec, base)


def run_proxy(
    upstream: str,
    config: Path | None,
    given: Mapping[str, Any],
    log: Path | None,
    sample: float | None,
    ca: Path | None = None,
) -> int:
    """Passes requests on until it is stopped, and gives the status to exit with.

    Args:
      upstream: The server behind the proxy.
      config: The server's config; None takes configs/serving.yaml where there is one.
      given: What the command line says, by key; None is not given.
      log: Where a sample of the requests is kept; None takes the config's.
      sample: The share of the requests; None takes the config's.
      ca: The roots that the server's certificate is checked with; None takes the usual ones.

    Raises:
      KelpError: the config is wrong, or the proxy cannot start.
    """
    import click

    from serving.config import load_spec
    from serving.proxy.server import serve_proxy
    from serving.release.state import RELEASES_FILE
    from serving.versions.mirror import require_local

    spec = load_spec(config, given)
    changes = {"folder": log, "sample": sample}
    given = {key: value for key, value in changes.items() if value is not None}
    spec = spec.model_copy(update={"request_log": spec.request_log.model_copy(update=given)})
    releases = require_local(spec.models_root, "kelp proxy") / RELEASES_FILE
    return serve_proxy(upstream, spec, releases, click.echo, ca)


def run_release(
    kind: Literal["canary", "at once", "rollback"],
    name: str,
    canary: float | None,
    version: int | None,
    urls: tuple[str, str | None],
    config: Path | None,
    given: Mapping[str, Any],
) -> int:
    """Releases a version of a model, or rolls back, and gives the status to exit with.

    Args:
      kind: With a trial, without one, or back.
      name: The model.
      canary: The canary's share in percent, where there is one.
      version: The version to try or to return to; None finds it.
      urls: The server's and the proxy's.
      config: The server's config; None takes configs/serving.yaml where there is one.
      given: What the command line says, by key; None is not given.

    Raises:
      KelpError: the config is wrong, there is no such version, or a server is away.
    """
    import click

    from serving.config import load_spec
    from serving.release.controller import release, release_at_once, rollback
    from serving.release.plan import Plan
    from serving.release.traffic import Place
    from serving.versions.mirror import require_local

    spec = load_spec(config, given)
    file = Path(spec.model_config_file) if spec.model_config_file else None
    plan = Plan(
        place=Place(name, require_local(spec.models_root, "kelp release"), file),
        server=urls[0],
        proxy=urls[1],
        spec=spec.release,
        version=version,
        api_key=os.environ.get(spec.api_key_env or API_KEY),
        tracking_uri=tracking_uri(TrackingSpec()),
    )
    # Whoever stops a release means its canary, too: other signals take it back as Ctrl-C does.
    before = {
        one: signal.signal(one, signal.default_int_handler)
        for one in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        if kind == "rollback":
            outcome = rollback(plan, click.echo)
        elif canary is None:
            outcome = release_at_once(plan, click.echo)
        else:
            outcome = release(plan, canary, click.echo)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    click.echo("\n".join(outcome.lines()))
    return outcome.status


@contextmanager
def asking(url: str, name: str | None, ca: Path | None = None) -> Iterator[RemotePredictor]:
    """A model that a server has, as `kelp predict` takes artifacts.

    Args:
      url: The server, or the whole address of a model, a version or a label.
      name: The model's name, where the URL does not say it.
      ca: The roots that the server's certificate is checked with; None takes the usual ones.

    Raises:
      KelpError: the server cannot be reached, refuses, or has no such model.
    """
    from serving.client import Client, ClientOptions

    options = ClientOptions(api_key=os.environ.get(API_KEY), ca=ca)
    with Client(url, name, options=options) as client:
        yield RemotePredictor(client)
