"""`artifact.json`: all that a program needs to run a TFLite or ONNX file on raw rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import ModelError
from models.compression.preparation import Preparation
from models.compression.spec import Format
from models.features.spec import Task

if TYPE_CHECKING:
    from models.compression.formats.numeric import Port
    from models.compression.training_artifacts import Opened

ARTIFACT_FILE = "artifact.json"


@dataclass(frozen=True)
class Artifact:
    """A model file with what it takes and gives.

    Attributes:
      format: The format.
      file: The model file's name, beside this description.
      sha256: Of the model file.
      task: What is predicted.
      label: The label's name.
      classes: The label's classes in the order of their ids, as a SavedModel names them;
        empty for regression.
      threshold: The operating threshold; binary only.
      inputs: In order: the transformed feature, its tensor, dtype and width.
      output: The output's name.
      preparation: How raw columns become the inputs.
      lineage: Where the network comes from.
      instructions: How to prepare the inputs, in words.
      examples: Raw rows with their prepared values, by feature.
    """

    format: Format
    file: str
    sha256: str
    task: Task
    label: str
    classes: tuple[int | str, ...]
    threshold: float | None
    inputs: tuple[dict[str, Any], ...]
    output: str
    preparation: Preparation
    lineage: dict[str, Any]
    instructions: tuple[str, ...] = ()
    examples: tuple[dict[str, Any], ...] = ()


def write_artifact(
    form: Format,
    opened: Opened,
    model: Path,
    entries: Sequence[Port],
    output: str,
    lineage: Mapping[str, Any],
) -> Artifact:
    """Describes a model file, beside it.

    Args:
      form: The format.
      opened: The material; its transform graph gives the constants.
      model: The model file.
      entries: The inputs, in order.
      output: The output's name.
      lineage: Where the network comes from.
    """
    from models.compression.constants import learned_preparation
    from models.compression.formats.instructions import instructions_of, worked_examples
    from models.export.saved_model import served_classes

    material = opened.material
    problem = material.trainer.problem
    preparation = learned_preparation(problem, opened.schema, opened.graph)
    artifact = Artifact(
        format=form,
        file=model.name,
        sha256=digest(model),
        task=problem.task,
        label=problem.label.name,
        classes=served_classes(problem, opened.schema),
        threshold=material.threshold,
        inputs=tuple(asdict(entry) for entry in entries),
        output=output,
        preparation=preparation,
        lineage=dict(lineage),
        instructions=instructions_of(preparation, problem.task),
        examples=worked_examples(opened, preparation),
    )
    text = json.dumps(asdict(artifact), allow_nan=False, ensure_ascii=False)
    (model.parent / ARTIFACT_FILE).write_text(text + "\n", encoding="utf-8")
    return artifact


def read_artifact(folder: Path) -> Artifact:
    """Reads the description and checks the model file's checksum.

    Raises:
      ModelError: there is no description, or the file is another one.
    """
    path = folder / ARTIFACT_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["preparation"] = Preparation.from_dict(fields["preparation"])
        for name in ("classes", "inputs", "instructions", "examples"):
            fields[name] = tuple(fields.get(name, ()))
        artifact = Artifact(**fields)
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise ModelError(
            f"{folder} has no readable {ARTIFACT_FILE}",
            where=str(path),
            expected="the description that Kelp writes beside a model file",
            received=str(error),
            fix="push the model again, with its description",
        ) from error
    model = folder / artifact.file
    found = digest(model) if model.is_file() else "no such file"
    if found != artifact.sha256:
        raise ModelError(
            f"{artifact.file} is not the file that {ARTIFACT_FILE} describes",
            where=str(folder),
            expected=f"SHA-256 {artifact.sha256}",
            received=found,
            fix="push the model again: the file was changed or only half copied",
        )
    return artifact


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
