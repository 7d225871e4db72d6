"""Runs the proxy until it is stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.errors import EnvironmentProblem
from serving.config import ServingSpec
from serving.proxy.app import create_proxy


def serve_proxy(
    upstream: str,
    spec: ServingSpec,
    releases: Path | None,
    tell: Callable[[str], None],
    ca: Path | None = None,
) -> int:
    """Passes requests on until it is stopped.

    Args:
      upstream: The server behind the proxy.
      spec: Host, port, limits and request log; the models are the server's.
      releases: releases.json.
      tell: Prints a text for who started it.
      ca: The roots that the server's certificate is checked with; None takes the usual ones.

    Returns:
      The status to exit with.

    Raises:
      EnvironmentProblem: the address cannot be listened on, or the upstream is no URL.
    """
    from serving.logs import log_as_json
    from serving.server import Server, Worker, ignore_hangup, listen, settings

    if not upstream.startswith(("http://", "https://")):
        raise EnvironmentProblem(
            "The server behind the proxy is not said.",
            where="--upstream",
            expected="http://HOST:PORT",
            received=upstream,
        )
    if spec.tls is not None:
        spec.tls.check()
    ignore_hangup()
    log_as_json()
    with listen(spec.host, spec.port) as listening:
        host, port = listening.getsockname()[:2]
        app: Any = create_proxy(upstream, spec, releases, ca=ca)
        tell(f"Kelp's proxy: {spec.scheme}://{host}:{port} before {upstream}")
        server = Server(settings(app, spec), app, spec, Worker(tells=False))
        server.run(sockets=[listening])
    logging.shutdown()
    return 0 if server.started else 1
