"""Gives the commands that run components one fixed hash of each string.

TFX, TF Transform, TFMA and Beam walk over sets of strings and write what they find in that order.
Python draws the hashes of strings anew for each process, unless a seed stands in its environment
when it starts; the processes of components are forked from that of the command, or inherit it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_VARIABLE = "PYTHONHASHSEED"
_SEED = "0"
_RUNNING = ("run", "node", "lr", "replay")


def fix_hash_seed(arguments: Sequence[str]) -> None:
    """Starts this program again with a seed, where the command runs components and has none.

    A seed of the user's own is kept.

    Args:
      arguments: What follows `kelp` on the command line.
    """
    drawn = os.environ.get(_VARIABLE, "random") == "random"
    if drawn and arguments and arguments[0] in _RUNNING:
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, _VARIABLE: _SEED})
