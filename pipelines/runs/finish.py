"""The end of a run: its summary, its report, the link to the latest, what is printed."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components.tracker.config import tracking_uri
from components.tracker.track import log_report
from contracts.errors import KelpError
from contracts.files import write_json
from contracts.results.files import write_result
from contracts.results.summary import MlflowRun, Summary
from contracts.storage.location import is_remote
from contracts.storage.staging import remote_place
from pipelines.commands import summary
from pipelines.execution.capture import captured
from pipelines.execution.failures import explain_failure
from pipelines.execution.interruption import INTERRUPTED
from pipelines.execution.remote_root import point_latest

if TYPE_CHECKING:
    from pipelines.execution.state import RunState

FAILED = 1
NOT_BLESSED = 3
_AUDIT_FOLDER = "data_verdict"


def conclude(state: RunState, console: Console, require_blessing: bool) -> int:
    """Writes what a run came to, prints it, and gives the exit status."""
    content, places = write_summary(state, "succeeded")
    summary.render(content, console)
    for name, place in places.items():
        address = remote_place(place)
        shown = address if is_remote(address) else short_path(place)
        console.print(f"{name}: {shown}", soft_wrap=True, highlight=False)
    if "report" not in places:
        log = short_path(state.log("Summary"))
        console.print(f"warning: the report could not be written; why is in {log}")
    if state.loaded.frozen_schema is None:
        console.print(
            f"the schema is inferred anew in each run; `kelp schema freeze {state.loaded.path}` "
            "keeps it for review",
            soft_wrap=True,
            highlight=False,
        )
    line = last_line(content, require_blessing)
    if line is not None:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return exit_status(content, require_blessing)


def exit_status(summary: Summary, require_blessing: bool) -> int:
    """Gives 0, or `NOT_BLESSED` where the blessing was required and refused."""
    return NOT_BLESSED if require_blessing and not summary.blessed else 0


def last_line(summary: Summary, require_blessing: bool) -> str | None:
    """Says that nothing was pushed, and why; None where a model was."""
    if summary.pushed_to:
        return None
    if summary.blessed:
        return "NOTHING WAS PUSHED, although the candidate was blessed: see logs/Pusher.log."
    blocking = [gate.reason for gate in summary.gates if gate.outcome == "block"]
    why = f" {blocking[0]}" if blocking else ""
    more = f" (and {len(blocking) - 1} more above)" if len(blocking) > 1 else ""
    status = (
        f" Exit status {NOT_BLESSED}, as --require-blessing asks."
        if require_blessing
        else f" --require-blessing makes this exit status {NOT_BLESSED}."
    )
    return f"NOTHING WAS PUSHED: the candidate was not blessed.{why}{more}{status}"


def explain_end(state: RunState, error: BaseException) -> KelpError:
    """Gives the error of a run for the reader."""
    if isinstance(error, KeyboardInterrupt):
        return KelpError(
            f"Interrupted during {state.current}; nothing half made was kept.",
            where=state.current,
        )
    return explain_failure(error, state.current, short_path(state.log(state.first_current)))


def keep_traces(state: RunState, error: BaseException, trace: Path) -> list[str]:
    """Writes down what an error leaves to be read, and gives the line that says where."""
    lines = []
    with contextlib.suppress(OSError):  # a full disk must not hide the error itself
        text = getattr(error, "trace", "") or "".join(traceback.format_exception(error))
        trace.write_text(text, encoding="utf-8")
        log = short_path(state.log(state.first_current))
        lines.append(f"  {'log:':<10}{log} (trace: {short_path(trace)})")
    with contextlib.suppress(OSError):
        _keep_audit(state, error)
    return lines


def end_status(error: BaseException) -> tuple[str, int]:
    """Gives the status of a run that an error ended, in words and as an exit status."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    return "failed", FAILED


def print_error(lines: Sequence[str]) -> None:
    """Prints the lines of an error on standard error."""
    console = Console(stderr=True)
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def write_summary(
    state: RunState, status: str, error: Sequence[str] | None = None
) -> tuple[Summary, dict[str, Path]]:
    """Writes summary and report, and gives the summary and where both are.

    The link `latest` then leads to the run.

    Args:
      state: The run.
      status: How it ended.
      error: What is printed where it failed.
    """
    from pipelines.runs.collect import complete
    from report.render import write_report

    with captured(state.log("Summary")):
        kept = state.folder / _AUDIT_FOLDER
        more = {"data_verdict": kept} if kept.is_dir() else {}
        content = complete(state.loaded, state.facts(status, error), state.outputs, more)
        places = {"summary": write_result(state.folder, content)}
        try:
            places["report"] = write_report(state.folder, content, content.folders)
        except Exception:  # a page must cost neither the run nor the sight of its error
            logging.getLogger(__name__).exception("the report could not be written")
        else:
            _track_report(state, content.mlflow, places["report"])
    point_latest(state.folder)
    return content, places


def short_path(path: Path) -> str:
    """A path as the reader would type it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _keep_audit(state: RunState, error: BaseException) -> None:
    """TFX discards what a failed component wrote; the audit is why it failed."""
    audit = getattr(error, "audit", None)
    if audit is not None:
        write_json(state.folder / _AUDIT_FOLDER / "audit.json", audit)


def _track_report(state: RunState, tracked: MlflowRun | None, page: Path) -> None:
    """Adds the report to the run that the Tracker has logged to MLflow, if it has."""
    if state.cached.get("Tracker", True) or not tracked or not tracked.run_id:
        return
    try:
        uri = tracking_uri(state.loaded.config.tracking)  # which may have a password
        log_report(uri, tracked.run_id, tracked.artifacts, page)
    except Exception:  # MLflow raises its own, its server's and its database's
        logging.getLogger(__name__).exception("MLflow took no report")
