"""One job server for all pipelines of a component.

ExampleGen runs two pipelines or three. A job server of its own for each would start Java anew, and
compile anew what it has just compiled: with a local master, that is the engine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the local runner does without these
    from apache_beam.runners.portability.job_server import JavaJarJobServer

_Key = tuple[str, ...]


class SharedJobServer:
    """A job server that goes on when a pipeline ends.

    Attributes:
      server: Beam's own.
    """

    def __init__(self, server: JavaJarJobServer) -> None:
        self.server = server
        self._lock = threading.Lock()
        self._stub: Any = None

    def start(self) -> Any:
        """Gives what jobs are submitted to; the first call starts it."""
        with self._lock:
            if self._stub is None:
                self._stub = self.server.start()
            return self._stub

    def stop(self) -> None:
        """Stops it, if it has started."""
        with self._lock:
            if self._stub is not None:
                self._stub = None
                self.server.stop()


_shared: dict[_Key, SharedJobServer] | None = None


@contextmanager
def shared_job_servers() -> Iterator[None]:
    """Keeps the job servers that are started in the block until its end."""
    # Beam makes the runners itself, and hands nothing to them.
    global _shared
    _shared, before = {}, _shared
    try:
        yield
    finally:
        started, _shared = _shared, before
        for server in started.values():
            server.stop()


def shared_job_server(server: JavaJarJobServer) -> SharedJobServer | None:
    """Gives the one that is kept with the settings of another; None outside of such a block.

    Args:
      server: One that has not started.
    """
    if _shared is None:
        return None
    settings = [server._java_launcher, *server._jvm_properties, server.path_to_jar()]
    key = tuple(map(str, [*settings, *server.java_arguments(0, 0, 0, "")]))
    return _shared.setdefault(key, SharedJobServer(server))
