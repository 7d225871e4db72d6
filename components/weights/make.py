"""Makes the weights that variants share: plain functions over files."""

from __future__ import annotations

from pathlib import Path

from components.compressor.make import FAILURE_FILE, failure_of
from contracts.errors import ModelError
from contracts.files import write_json
from models.compression.spec import WeightsSpec
from models.compression.techniques.table import unsupported
from models.compression.training_artifacts import TrainingArtifacts
from models.compression.weights import make_weights


def make_or_report(
    spec: WeightsSpec, artifacts: TrainingArtifacts, folder: Path, timeout_s: float
) -> None:
    """Writes the network with other weights, or `failure.json`: why there are none.

    No process is started for what is known not to work.
    """
    reason = unsupported(spec, artifacts.trainer.network)
    if reason is not None:
        write_json(folder / FAILURE_FILE, {"status": "unsupported", "reason": reason})
        return
    try:
        make_weights(spec, artifacts, folder, timeout_s)
    except ModelError as error:
        write_json(folder / FAILURE_FILE, failure_of(error))
