"""The page of one explained prediction: one file, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.files import write_atomically
from contracts.results.preview import Preview
from report.render import fill_template


def write_explanation(
    target: Path, explained: Mapping[str, Any], views: Mapping[str, Preview]
) -> Path:
    """Writes the page, all of it or nothing, and gives its path.

    Args:
      target: The file.
      explained: What `kelp explain --json` prints.
      views: By feature, its image or text with what its parts add.
    """
    page = fill_template("explanation.html.j2", explained=explained, views=views)
    write_atomically(target, page)
    return target
