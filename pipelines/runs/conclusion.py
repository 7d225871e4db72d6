"""How a run that ended well is concluded: its last line, and its exit status."""

from __future__ import annotations

from contracts.results.summary import Summary

NOT_BLESSED = 3


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
