"""An exception that nobody foresaw: one line for the reader, the trace in a file."""

from __future__ import annotations

import errno
import os
import tempfile
import traceback
from datetime import datetime, timezone
from pathlib import Path

from contracts.errors import EnvironmentProblem, KelpError

DEBUG_VARIABLE = "KELP_DEBUG"
_FIXES = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room within the quota",
    errno.EROFS: "choose a folder that is not read-only",
    errno.EACCES: "correct the permissions",
    errno.EPERM: "correct the permissions",
}


def explain_unexpected(error: Exception, folder: Path = Path("runs")) -> KelpError:
    """Gives an error for the reader; the trace goes to a file in `folder`.

    Raises:
      Exception: `error` itself, where the variable KELP_DEBUG is set.
    """
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    if isinstance(error, OSError) and error.strerror:
        return EnvironmentProblem(
            error.strerror.lower(),
            where=str(error.filename or ""),
            fix=_FIXES.get(error.errno or 0, ""),
        )
    trace = _write_trace(error, folder)
    return KelpError(
        f"unexpected {type(error).__name__}: {error}",
        where=f"the full trace is in {trace}" if trace else "",
        fix=f"set {DEBUG_VARIABLE}=1 to see the trace here",
    )


def _write_trace(error: Exception, folder: Path) -> Path | None:
    text = "".join(traceback.format_exception(error))
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    for place in (folder, Path(tempfile.gettempdir())):
        path = place / f"error-{stamp}.txt"
        try:
            place.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError:
            continue  # the next place; with none left the error says to set KELP_DEBUG
        return path
    return None
