"""A user's own packages in the working directory, with the names of Kelp's."""

from __future__ import annotations

from pathlib import Path

NAMES = (
    "pipelines",
    "components",
    "evidence",
    "report",
    "models",
    "serving",
    "contracts",
    "examples",
)


def write_decoys(folder: Path) -> Path:
    """Writes packages that break whatever imports them, and gives the folder."""
    for name in NAMES:
        package = folder / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"raise ImportError('the decoy of {name}')\n")
    return folder
