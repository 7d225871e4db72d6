"""Makes one variant: plain functions over files."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts import split_files
from contracts.errors import KelpError, ModelError
from contracts.files import read_json, write_json
from contracts.results.files import read_result
from contracts.results.training import TrainingReport
from models.compression.formats.conversion import convert
from models.compression.formats.table import find_format
from models.compression.sizes import measured_bytes
from models.compression.spec import VariantSpec, is_reference
from models.compression.training_artifacts import TrainingArtifacts
from models.compression.weights import GOLDEN_FOLDER, REPORT_FILE
from models.export.network_file import NETWORK_FILE
from models.training.config import TrainerSpec

VARIANT_FILE = "variant.json"
FAILURE_FILE = "failure.json"
MODEL_FOLDER = "model"
_SHORTEST = 240

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """What a variant is made from.

    Attributes:
      candidate: The candidate's SavedModel.
      weights: The folder of the network with its weights, and its golden rows.
      data: The digest of the data that it learned from.
    """

    candidate: Path
    weights: Path
    data: str


def training_artifacts(
    trainer: str, examples: Any, schema: Any, transform_graph: Any, model_run: Any
) -> TrainingArtifacts:
    """Gives the candidate's network and the data that it learned from, by path."""
    run = Path(model_run.uri)
    point = read_result(run, TrainingReport).operating_point
    return TrainingArtifacts(
        trainer=TrainerSpec.model_validate_json(trainer),
        network_path=str(run / NETWORK_FILE),
        threshold=None if point is None else point.threshold,
        train_files=tuple(split_files(examples, "train")),
        val_files=tuple(split_files(examples, "val")),
        schema_path=str(Path(schema.uri) / "schema.pbtxt"),
        graph_path=transform_graph.uri,
    )


def make_variant(
    spec: VariantSpec,
    artifacts: TrainingArtifacts,
    sources: Sources,
    folder: Path,
    timeout_s: float,
) -> None:
    """Writes `model/`, `golden/` and `variant.json`, which tells of a failure too.

    A variant that cannot be made is no error of the run: it is reported, and refused.

    Args:
      spec: The variant; its gates are not looked at.
      artifacts: The candidate's network and data.
      sources: The files that it is made from.
      folder: Where to.
      timeout_s: How long the conversion may take.
    """
    began = time.monotonic()
    facts: dict[str, Any] = {
        "name": spec.name,
        "weights": spec.weights.model_dump(mode="json"),
        "format": spec.format,
        "kind": find_format(spec.format)[0].kind,
        "threshold": artifacts.threshold,
        "status": "made",
        "reason": "",
    }
    reason = _unprepared(spec, artifacts)
    lost = sources.weights / FAILURE_FILE
    if lost.is_file():
        facts |= read_json(lost)
    elif reason is not None:
        facts |= {"status": "unsupported", "reason": reason}
    else:
        facts |= _make(spec, artifacts, sources, folder, timeout_s)
    facts["seconds"] = round(time.monotonic() - began, 1)
    write_json(folder / VARIANT_FILE, facts)


def _unprepared(spec: VariantSpec, artifacts: TrainingArtifacts) -> str | None:
    """Why the features cannot enter a format that lacks the transform graph."""
    kinds = artifacts.trainer.problem.features
    features = [name for name, kind in kinds.items() if not kind.is_prepared]
    if not features or find_format(spec.format)[0].holds_preparation:
        return None
    return f"{', '.join(features)}: servers cannot prepare a feature of this kind for {spec.format}"


def _make(
    spec: VariantSpec,
    artifacts: TrainingArtifacts,
    sources: Sources,
    folder: Path,
    timeout_s: float,
) -> dict[str, Any]:
    lean: dict[str, Any] = {}
    try:
        if is_reference(spec):
            shutil.copytree(sources.candidate, folder / MODEL_FOLDER)
            lean = {"lean": _lean_bytes(artifacts, timeout_s)}
        else:
            artifacts = artifacts.with_network(sources.weights / NETWORK_FILE)
            lineage = {
                "variant": spec.name,
                "weights": spec.weights.model_dump(mode="json"),
                "pipeline": artifacts.trainer.name,
                "seed": artifacts.trainer.seed,
                "data": sources.data,
            }
            convert(spec.format, artifacts, folder / MODEL_FOLDER, timeout_s, lineage)
    except ModelError as error:
        _LOG.exception("the variant %s could not be made", spec.name)
        shutil.rmtree(folder / MODEL_FOLDER, ignore_errors=True)
        return failure_of(error)
    shutil.copytree(sources.weights / GOLDEN_FOLDER, folder / GOLDEN_FOLDER)
    facts = read_json(sources.weights / REPORT_FILE)
    network = {key: facts[key] for key in ("parameters", "sparsity", "layers")}
    return {"network": network, **lean}


def _lean_bytes(artifacts: TrainingArtifacts, timeout_s: float) -> dict[str, int] | None:
    """What float32 weighs when it is written as a variant is: its two signatures alone.

    The candidate has signatures for evaluation and explanation as well. None where it could
    not be written: no variant is refused for that.
    """
    with tempfile.TemporaryDirectory(prefix="kelp-lean-") as scratch:
        folder = Path(scratch) / MODEL_FOLDER
        try:
            convert("savedmodel_float32", artifacts, folder, timeout_s, {})
        except ModelError:
            _LOG.exception("what float32 weighs as a variant could not be measured")
            return None
        return measured_bytes(folder)


def failure_of(error: KelpError) -> dict[str, Any]:
    """What `variant.json` says of a variant that could not be made."""
    text = ": ".join(filter(None, [error.what, error.received]))[:_SHORTEST].strip()
    return {"status": "failed", "reason": text}
