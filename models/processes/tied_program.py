"""Runs a program that is not ours, and ends it when the process that asked for it has ended.

The program takes this process's place, so that its signals and its exit status are its own. A
process beside it watches both. The kernel's own means, see `end_with_parent`, would end it as soon
as the thread that started it ends.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence

from models.processes.child_process import module_command

_GRACE_S = 10.0


def tied_command(command: Sequence[str]) -> list[str]:
    """Gives the command that runs a program which ends with this process, however that ends.

    On systems other than Linux it is the program's own.

    Args:
      command: The program and its arguments; it has to be started by this process.
    """
    if not sys.platform.startswith("linux"):
        return list(command)
    return module_command("models.processes.tied_program", [str(os.getpid()), *command])


def main(arguments: Sequence[str]) -> None:
    """Becomes the program.

    Args:
      arguments: The id of the process that asked for it, and the program with its arguments.
    """
    asker, program = int(arguments[0]), arguments[1:]
    both = os.pidfd_open(asker), os.pidfd_open(os.getpid())
    if os.getppid() != asker:
        sys.exit("the process that asked for it has ended")
    if os.fork() == 0:
        _watch(*both)
        os._exit(0)
    os.execvp(program[0], list(program))


def _watch(asker: int, program: int) -> None:
    """Waits until one of two processes has ended; ends the program if it is the asker.

    Args:
      asker: The descriptor of a process.
      program: The descriptor of the program's.
    """
    os.setsid()  # Ctrl-C is for the program
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    ended, _, _ = select.select([asker, program], [], [])
    if program in ended:
        return
    signal.pidfd_send_signal(program, signal.SIGTERM)
    if not select.select([program], [], [], _GRACE_S)[0]:
        signal.pidfd_send_signal(program, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
