"""Turns whatever a component raised into an error for the reader."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from contracts.errors import DataError, EnvironmentProblem, KelpError
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
# How TensorFlow calls it, by what this machine was doing.
_LOST = {
    *("UnavailableError", "AbortedError", "CancelledError", "InternalError"),
    *("DeadlineExceededError", "UnknownError"),
}
# The operations that decode images, where a graph of TensorFlow names them.
_DECODES = re.compile(r"\bDecode(Image|Jpeg)\b")
_NO_EXECUTORS = re.compile(r"SparkContext has been shutdown|on a stopped SparkContext")
_JOB_FAILED = re.compile(r"failed in state \w+: (.+)")
_JAVA_FRAME = re.compile(r"(at )?[\w.$/<>-]+\([\w.]+(:\d+)?\)|\.\.\. \d+ more")
_LOCATION = re.compile(r"\[while running '[^']*'\]")


class LostMachine(EnvironmentProblem):
    """A machine that trains with this one has gone."""


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
        problem: KelpError | None = (
            _lost_machine(cause, component)
            or _network(cause, component)
            or _executors(cause, component)
            or _undecodable(cause, component)
            or _environment(cause, component)
        )
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


def _lost_machine(error: BaseException, component: str) -> LostMachine | None:
    if type(error).__name__ not in _LOST or "Collective" not in str(error):
        return None
    return LostMachine(
        f"{component} lost another machine of its cluster.",
        where=component,
        expected="all machines of TF_CONFIG, until the training ends",
        received=_last_words(error),
        fix="read what the other machines report, then start the node on all of them again",
    )


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


def _executors(error: BaseException, component: str) -> EnvironmentProblem | None:
    if not _NO_EXECUTORS.search(str(error)):
        return None
    return EnvironmentProblem(
        f"{component} lost its executors on Spark.",
        where=component,
        expected="executors that start, and stay until the job is done",
        received=_last_words(error),
        fix="read what the cluster's workers and the executors (stderr below the folder work of "
        "each) have logged; an executor needs Java, memory and a way back to this machine",
    )


def _undecodable(error: BaseException, component: str) -> DataError | None:
    if "InvalidArgumentError" not in f"{type(error).__name__} {error}":
        return None
    if not _DECODES.search(str(error)):
        return None
    return DataError(
        f"{component} came to an image that cannot be decoded.",
        where=component,
        expected="whole images alone: PNG, JPEG, BMP or GIF of at most the feature's max_pixels",
        fix="the audit names it: set data.audit.images.unreadable.severity to block, and "
        "data.audit.images.rows to as many as there are images",
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
    """The sentence at the end of a Beam error, which repeats the whole trace as text.

    Where a cluster failed on its own, and not in Python, its first sentence says how.
    """
    text = _LOCATION.sub("", str(error)).strip()
    job = _JOB_FAILED.search(text)
    if job is not None and "Traceback (most recent call last)" not in text:
        return job[1].strip()[:300]
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not _JAVA_FRAME.fullmatch(line)]
    return (lines[-1] if lines else "no message")[:300]
