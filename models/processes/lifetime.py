"""Ties a child process to its parent: a killed run leaves nothing behind that still works."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
PARENT_VARIABLE = "KELP_PARENT_PROCESS"


def end_with_parent(parent: int) -> None:
    """Has the kernel kill this process as soon as its parent ends, however that ends.

    On systems other than Linux nothing is done.

    Args:
      parent: The parent's process id: one that has ended already ends this process now.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def end_with_process(process: int) -> None:
    """Kills the session that this process leads as soon as another process ends.

    For a process whose parent goes on when the one that asked for it ends. On systems other
    than Linux nothing is done.

    Args:
      process: The other's id: one that has ended already ends this process now.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ended = os.pidfd_open(process)
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGKILL)

    def wait() -> None:
        select.select([ended], [], [])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def end_with_starter() -> None:
    """As `end_with_parent`, for a program whose starter named itself in the environment."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is not None:
        end_with_parent(int(parent))
