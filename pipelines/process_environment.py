"""Gives commands that run components, and workers, what libraries read once in a process.

TFX, TF Transform, TFMA and Beam walk over sets of strings and write what they find in that order.
Python draws the hashes of strings anew for each process, unless a seed stands in its environment.

OpenBLAS starts a thread a core in each process, and these spin while they wait for one another.
Components run side by side and share the cores, so most of the time was spent waiting: two
evaluations of variants took five times as long beside each other as one after the other. It
also adds up in another order with another number of threads. OpenMP's threads, of which the
boosted trees make use, wait without spinning.

The processes of components are forked from that of the command, or inherit its environment, as
a cluster's workers do from that of their pool.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_VARIABLES = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
_UNSET = {"PYTHONHASHSEED": "random"}
_RUNNING = ("run", "node", "lr", "replay")


def fix_environment(arguments: Sequence[str]) -> None:
    """Starts `kelp` again with these variables, where the command runs components.

    Args:
      arguments: What follows `kelp` on the command line.
    """
    if arguments and arguments[0] in _RUNNING:
        start_with_variables()


def start_with_variables() -> None:
    """Starts this program again with these variables; what the user has set is kept."""
    missing = {
        name: value
        for name, value in _VARIABLES.items()
        if os.environ.get(name, "") in ("", _UNSET.get(name))
    }
    if missing:
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **missing})
