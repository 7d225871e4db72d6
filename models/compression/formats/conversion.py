"""Writes a network in a format: the parent's side of every conversion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from models.compression.formats.table import FORMATS, parse_format
from models.compression.training_artifacts import TrainingArtifacts, open_artifacts
from models.processes.isolated import call
from models.user_code import load_function


def convert(
    form: str,
    artifacts: TrainingArtifacts,
    folder: Path,
    timeout_s: float,
    lineage: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes the trained network in a format.

    Args:
      form: The format with its precision, such as `tflite_float16`.
      artifacts: The network, and the data that full int8 is calibrated with.
      folder: Where the artifact goes: a SavedModel, or a model file with `artifact.json`.
      timeout_s: How long the process may take.
      lineage: What `artifact.json` says about where the network comes from.

    Returns:
      What the converter found: the operators of the graph, by count.

    Raises:
      ModelError: the converter failed, crashed, or took too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request = conversion_request(form, artifacts, folder, lineage or {})
    what = f"the conversion to {FORMATS[request['format']].title} ({form})"
    return call(
        "models.compression.formats.conversion:run", request, timeout_s=timeout_s, what=what
    )


def conversion_request(
    form: str, artifacts: TrainingArtifacts, folder: Path, lineage: Mapping[str, Any]
) -> dict[str, Any]:
    """What `run` is asked; the process need not know the row of the format."""
    name, precision = parse_format(form)
    return {
        "format": name,
        "converter": FORMATS[name].converter,
        "precision": precision,
        "artifacts": artifacts.model_dump(mode="json"),
        "folder": str(folder),
        "lineage": dict(lineage),
    }


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Converts in this process; see `convert`."""
    # A name of ours is never looked for beside the config, where a package may have it too.
    load = resolve_name if request["format"] in FORMATS else load_function
    write = load(request["converter"])
    opened = open_artifacts(TrainingArtifacts.model_validate(request["artifacts"]))
    operators: dict[str, Any] = write(
        request["precision"], opened, Path(request["folder"]), request["lineage"]
    )
    return operators
