"""Gives the commands that run components what libraries read once, when a process starts.

TFX, TF Transform, TFMA and Beam walk over sets of strings and write what they find in that order.
Python draws the hashes of strings anew for each process, unless a seed stands in its environment.

OpenBLAS starts a thread a core in each process, and these spin while they wait for one another.
Components run side by side and share the cores, so most of the time was spent waiting: two
evaluations of variants took five times as long beside each other as one after the other. It
also adds up in another order with another number of threads. OpenMP's threads, of which the
boosted trees make use, wait without spinning.

The processes of components are forked from that of the command, or inherit its environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_VARIABLES = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
_UNSET = {"PYTHONHASHSEED": "random"}
_RUNNING = ("run", "node", "lr", "replay")


def fix_environment(arguments: Sequence[str]) -> None:
    """Starts this program again with these variables, where the command runs components.

    What the user has set is kept.

    Args:
      arguments: What follows `kelp` on the command line.
    """
    missing = {
        name: value
        for name, value in _VARIABLES.items()
        if os.environ.get(name, "") in ("", _UNSET.get(name))
    }
    if missing and arguments and arguments[0] in _RUNNING:
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **missing})
