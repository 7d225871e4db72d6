"""What findings of the data come to in a terminal: a line each, or one for many alike."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.results.audit import DataFinding
from contracts.text import some

# A wide table can fail one check in hundreds of columns.
_SHOWN = 3
_NAMED = 5


def warning_lines(findings: Iterable[DataFinding]) -> list[str]:
    """Gives a line for each finding; of a check with many, the first ones and a summary."""
    by_check: dict[str, list[DataFinding]] = {}
    for finding in findings:
        by_check.setdefault(finding.check, []).append(finding)
    lines: list[str] = []
    for check, alike in by_check.items():
        few = len(alike) <= _SHOWN + 1
        shown = alike if few else alike[:_SHOWN]
        lines += [finding.what for finding in shown]
        if not few:
            rest = alike[_SHOWN:]
            # A finding about a whole split has no feature.
            named = list(dict.fromkeys(repr(entry.feature) for entry in rest if entry.feature))
            about = f": {some(named, _NAMED)}" if named else ""
            lines.append(
                f"{len(rest)} more findings of the check {check}{about}. The report lists them."
            )
    return lines
