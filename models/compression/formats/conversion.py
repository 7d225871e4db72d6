"""Writes a network in a format: the parent's side of every conversion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.compression.spec import Format, kind_of
from models.compression.training_artifacts import Material, open_material
from models.processes.isolated import call

_NAMES = {"savedmodel": "a SavedModel", "tflite": "TFLite", "onnx": "ONNX"}


def convert(
    form: Format,
    material: Material,
    folder: Path,
    timeout_s: float,
    lineage: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes the material's network in a format.

    Args:
      form: The format.
      material: The network, and the data that full int8 is calibrated with.
      folder: Where the artifact goes: a SavedModel, or a model file with `artifact.json`.
      timeout_s: How long the process may take.
      lineage: What `artifact.json` tells about where the network comes from.

    Returns:
      What the converter told: the operators of the graph, by count.

    Raises:
      ModelError: the converter failed, crashed, or took too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "format": form,
        "material": material.model_dump(mode="json"),
        "folder": str(folder),
        "lineage": dict(lineage or {}),
    }
    what = f"the conversion to {_NAMES[kind_of(form)]} ({form})"
    return call(
        "models.compression.formats.conversion:run", request, timeout_s=timeout_s, what=what
    )


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Converts in this process; see `convert`."""
    form: Format = request["format"]
    opened = open_material(Material.model_validate(request["material"]))
    folder = Path(request["folder"])
    if kind_of(form) == "savedmodel":
        from models.compression.formats.savedmodel import write_savedmodel

        return write_savedmodel(form, opened, folder)
    if kind_of(form) == "tflite":
        from models.compression.formats.tflite import write_tflite

        return write_tflite(form, opened, folder, request["lineage"])
    from models.compression.formats.onnx import write_onnx

    return write_onnx(opened, folder, request["lineage"])
