"""One fork server for all processes of a run, started by the process of the run.

A process that has started TensorFlow cannot be forked; what is forked in its place is Python's
fork server, which belongs to who started it: each node that judges a variant imported TensorFlow
anew. Nodes are forked from the process of the run, and use the server that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing import forkserver, get_context
from typing import Any

from models.processes.child_process import safe_path


class InheritedServer(forkserver.ForkServer):
    """The fork server of a process that this one was forked from."""

    def ensure_running(self) -> None:
        """Does nothing: only the process that started it can see whether it runs."""


def start_shared_server(imported: Sequence[str]) -> None:
    """Starts the server, where none was inherited, and does not wait for its imports.

    Args:
      imported: The modules that it imports first.
    """
    get_context("forkserver").set_forkserver_preload(list(imported))
    # The module's own `ensure_running` is bound to the class that the server had at first.
    with safe_path():
        forkserver._forkserver.ensure_running()


def inherit_server() -> None:
    """Uses the server of the process that this one has just been forked from, if it has one."""
    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        server.__class__ = InheritedServer


def has_inherited_server() -> bool:
    """Whether what this process forks comes from a server that outlives it."""
    return isinstance(forkserver._forkserver, InheritedServer)
