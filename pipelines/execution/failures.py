"""Turns whatever a component raised into an error for the reader."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from contracts.errors import EnvironmentProblem, KelpError
from models.user_code import explain_user_error

_DISK = {
    "no space left on device": "the disk is full",
    "database or disk is full": "the disk is full",
    "disk quota exceeded": "the disk quota is used up",
    "read-only file system": "the file system is read-only",
    "readonly database": "the metadata store cannot be written",
    "unable to open database file": "the metadata store cannot be opened",
    "permission denied": "a file or folder may not be written by this user",
}
_ERRNOS = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EPERM}
_NETWORK = re.compile(
    r"Insufficient number of network buffers: required (\d+), but only (\d+) available"
)
_LOCATION = re.compile(r"\[while running '[^']*'\]")


def explain_failure(error: BaseException, component: str, log: str) -> KelpError:
    """Gives the KelpError behind `error`, or one that says what is known.

    Args:
      error: What was raised.
      component: The component that raised it.
      log: Where its log is.
    """
    for cause in _causes(error):
        if isinstance(cause, KelpError):
            return cause
    users = explain_user_error(error)
    if users is not None:
        return users
    for cause in _causes(error):
        problem = _network(cause, component) or _environment(cause, component)
        if problem is not None:
            return problem
    if isinstance(error, MemoryError):
        return EnvironmentProblem(
            f"{component} ran out of memory.",
            where=component,
            fix="lower training.batch_size or set training.cache to none, or use a larger machine",
        )
    return KelpError(
        f"{component} failed: {type(error).__name__}: {_last_words(error)}",
        where=component,
        fix=f"read the log, {log}; this message is TFX's own, not one that Kelp knows",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _network(error: BaseException, component: str) -> EnvironmentProblem | None:
    buffers = _NETWORK.search(str(error))
    if buffers is None:
        return None
    required, free = map(int, buffers.groups())
    return EnvironmentProblem(
        f"{component} needs more network memory than Flink's task managers have.",
        where=component,
        expected=f"{required:,} network buffers for one task",
        received=f"{free:,}",
        fix="in the cluster's configuration, lower taskmanager.network.sort-shuffle.min-buffers "
        "(512 by default, for each stage's result) or raise taskmanager.memory.network.max",
    )


def _environment(error: BaseException, component: str) -> EnvironmentProblem | None:
    text = str(error)
    reason = next((why for sign, why in _DISK.items() if sign in text.lower()), None)
    if reason is None and not (isinstance(error, OSError) and error.errno in _ERRNOS):
        return None
    named = getattr(error, "filename", None)
    return EnvironmentProblem(
        f"{component} could not write: {reason or text}.",
        where=f"{component}, {named}" if named else component,
        expected="folders with room that this user may write",
        received=_last_words(error),
        fix="make room, correct the permissions, or set runs= and push.root= to other folders",
    )


def _last_words(error: BaseException) -> str:
    """The sentence at the end of a Beam error, which repeats the whole trace as text."""
    text = _LOCATION.sub("", str(error)).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "no message")[:300]
