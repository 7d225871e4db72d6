"""Describes a model file, beside it: `artifact.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.artifact import Artifact, digest
from models.compression.constants import learned_preparation
from models.compression.formats.instructions import instructions_of, worked_examples
from models.compression.formats.table import FileSignature
from models.compression.training_artifacts import Opened
from models.export.saved_model import served_classes
from models.tasks import find_task


def write_artifact(
    form: str,
    runtime: str,
    opened: Opened,
    model: Path,
    signature: FileSignature,
    lineage: Mapping[str, Any],
) -> None:
    """Describes a model file, beside it.

    Args:
      form: The format.
      runtime: What executes the file.
      opened: The training artifacts; its transform graph gives the constants.
      model: The model file.
      signature: What the file takes and gives.
      lineage: Where the network comes from.
    """
    artifacts = opened.artifacts
    problem = artifacts.trainer.problem
    preparation = learned_preparation(problem, opened.schema, opened.graph)
    Artifact(
        format=form,
        runtime=runtime,
        file=model.name,
        sha256=digest(model.read_bytes()),
        task=find_task(problem.task).form,
        label=problem.label.name,
        classes=served_classes(problem, opened.schema),
        threshold=artifacts.threshold,
        quantiles=problem.quantiles,
        horizon=problem.label.steps or 0,
        inputs=tuple(signature.inputs),
        output=signature.output,
        rows=signature.rows,
        preparation=preparation,
        lineage=dict(lineage),
        instructions=instructions_of(preparation, find_task(problem.task).output_in_words),
        examples=worked_examples(opened, preparation),
    ).write(model.parent)
