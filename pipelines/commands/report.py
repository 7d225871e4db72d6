"""`kelp report`: opens the page about a run, and writes it anew where it is missing."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path

from contracts.results.files import read_result
from contracts.results.summary import Summary

REPORT_FILE = "report.html"


def report_of(run: Path) -> Path:
    """Gives a run's report; one that is not there is written from the run's records.

    Args:
      run: The run folder.
    """
    page = run / REPORT_FILE
    if not page.is_file():
        from report.render import write_report

        summary = read_result(run, Summary)
        write_report(run, summary, summary.folders)
    return page


def show(page: Path) -> bool:
    """Opens a page in the reader's browser; False where there is none to open it in."""
    if not has_display(os.environ):
        return False
    return webbrowser.open(page.resolve().as_uri())


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser with windows can be expected here."""
    if platform in ("darwin", "win32") or environment.get("BROWSER"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
