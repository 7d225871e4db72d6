"""Writes a network in a format: the parent's side of every conversion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from contracts.errors import ModelError
from models.compression.formats.table import FileSignature, Format, find_format, is_own_format
from models.compression.training_artifacts import TrainingArtifacts, open_artifacts
from models.processes.isolated import call
from models.user_code import call_function, describe_place


def convert(
    form: str,
    artifacts: TrainingArtifacts,
    folder: Path,
    timeout_s: float,
    lineage: Mapping[str, Any] | None = None,
) -> None:
    """Writes the trained network in a format.

    Args:
      form: The format with its precision, such as `tflite_float16`, or a user's own.
      artifacts: The network, and the data that full int8 is calibrated with.
      folder: Where the artifact goes: a SavedModel, or a model file with `artifact.json`.
      timeout_s: How long the process may take.
      lineage: What `artifact.json` says about where the network comes from.

    Raises:
      ModelError: the converter failed, crashed, or took too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request = conversion_request(form, artifacts, folder, lineage or {})
    what = f"the conversion to {find_format(form)[0].title} ({form})"
    call("models.compression.formats.conversion:run", request, timeout_s=timeout_s, what=what)


def conversion_request(
    form: str, artifacts: TrainingArtifacts, folder: Path, lineage: Mapping[str, Any]
) -> dict[str, Any]:
    """What `run` is asked."""
    return {
        "format": form,
        "artifacts": artifacts.model_dump(mode="json"),
        "folder": str(folder),
        "lineage": dict(lineage),
    }


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Converts in this process; see `convert`."""
    import keras

    from models.compression.formats.description import write_artifact

    form, folder = request["format"], Path(request["folder"])
    row, precision = find_format(form)
    opened = open_artifacts(TrainingArtifacts.model_validate(request["artifacts"]))
    # A loaded network draws the seeds of its dropout anew, and a SavedModel holds them.
    keras.utils.set_random_seed(opened.artifacts.trainer.seed)
    signature: FileSignature | None
    if is_own_format(form):
        signature = call_function(row.converter, precision, opened, folder)
        _require_written(row, folder, signature)
    else:
        # A name of ours is never looked for beside the config, where a package may have it too.
        signature = resolve_name(row.converter)(precision, opened, folder)
    if row.runtime is not None and signature is not None:
        model = folder / row.file
        write_artifact(form, row.runtime, opened, model, signature, request["lineage"])
    return {}


def _require_written(row: Format, folder: Path, signature: object) -> None:
    """Checks what a user's converter has done."""
    file = "saved_model.pb" if row.runtime is None else row.file
    returned = "None" if row.runtime is None else "a FileSignature"
    fits = signature is None if row.runtime is None else isinstance(signature, FileSignature)
    if fits and (folder / file).is_file():
        return
    written = ", ".join(sorted(path.name for path in folder.iterdir())) or "no file"
    raise ModelError(
        f"{row.converter} did not write {row.title}",
        where=describe_place(row.converter),
        expected=f"{file} in the folder, and {returned} as the result",
        received=f"{written}, and {type(signature).__name__}",
        fix="correct the function, then `kelp run` again",
    )
