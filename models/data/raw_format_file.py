"""Where a pushed model says how the raw files were written that it learned from."""

from __future__ import annotations

from pathlib import Path

RAW_FORMAT_FILE = "raw_format.json"


def raw_format_file(folder: Path) -> Path:
    """Gives the file of a SavedModel, or of a folder with artifact.json.

    Nothing but `kelp predict` and `kelp explain` reads it: clients of a server send values.
    """
    saved_model = (folder / "saved_model.pb").is_file()
    return folder / "assets.extra" / RAW_FORMAT_FILE if saved_model else folder / RAW_FORMAT_FILE
