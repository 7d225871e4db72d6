"""What a fork server imports first of all: its import makes those that follow cheaper.

A fork server knows of nothing but modules to import. These are never garbage: it goes without
the collector's passes over them, and so does what it forks, for all that was imported before.
"""

import gc
import os

from contracts.spared_imports import spare_imports
from models.processes.garbage import collect_seldom


def _collect_own_garbage() -> None:
    """In a forked process: collects garbage again, of what the process itself makes."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


spare_imports()
gc.disable()
collect_seldom()
os.register_at_fork(after_in_child=_collect_own_garbage)
