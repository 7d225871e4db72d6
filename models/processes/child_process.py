"""Starts Python on an installed module, whatever lies in the working directory.

`python -m` and `python -c` put the working directory before the installed packages: a folder
`models` or `serving` of the user's own would be imported in the place of ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# PYTHONSAFEPATH and -P do the same, from Python 3.11 on. Only built-in modules are imported
# before the path is clean.
_RUN_MODULE = (
    "import sys; sys.path[:] = filter(None, sys.path); import runpy; "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
_SAFE_PATH = "PYTHONSAFEPATH"


def module_command(module: str, arguments: Sequence[str] = ()) -> list[str]:
    """Gives the command that `python -m MODULE ARGUMENTS` would be, without the directory."""
    return [sys.executable, "-c", _RUN_MODULE, module, *arguments]


@contextmanager
def safe_path() -> Iterator[None]:
    """Children that are started meanwhile leave the directory out; from Python 3.11 on.

    It is for those whose command is not ours, such as the server that forks.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
