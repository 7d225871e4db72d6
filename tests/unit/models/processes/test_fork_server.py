"""A fork server and the garbage collector."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
_SERVER = """
import gc, os
import models.processes.fork_server
assert not gc.isenabled()
child = os.fork()
if child == 0:
    os._exit(10 if gc.isenabled() and gc.get_freeze_count() > 1000 else 11)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10
assert not gc.isenabled()
"""


def test_what_it_forks_collects_garbage_but_for_what_was_imported() -> None:
    subprocess.run([sys.executable, "-c", _SERVER], cwd=ROOT, check=True, timeout=60)
