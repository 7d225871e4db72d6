"""Other weights for a trained network: each technique runs in a process of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from models.compression.spec import OriginalSpec, WeightsSpec
from models.compression.techniques.table import find_technique
from models.compression.training_artifacts import Opened, TrainingArtifacts, open_artifacts
from models.export.network_file import NETWORK_FILE, save_network
from models.processes.isolated import call

REPORT_FILE = "weights.json"
GOLDEN_FOLDER = "golden"

_SPECS: TypeAdapter[WeightsSpec] = TypeAdapter(WeightsSpec)


def make_weights(
    spec: WeightsSpec, artifacts: TrainingArtifacts, folder: Path, timeout_s: float
) -> dict[str, Any]:
    """Writes the network with other weights, and what became of them.

    Args:
      spec: The technique; the candidate's own weights are copied.
      artifacts: The candidate.
      folder: Where `network.keras`, `weights.json` and the golden rows with this network's
        answers go; it is made.
      timeout_s: How long the process may take.

    Returns:
      The content of `weights.json`: parameters, sparsity, distinct weights by layer, the
      history of the fine-tuning.

    Raises:
      ModelError: the technique failed, crashed, or took too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "weights": spec.model_dump(mode="json"),
        "artifacts": artifacts.model_dump(mode="json"),
        "folder": str(folder),
    }
    target = "models.compression.weights:run"
    report = call(target, request, timeout_s=timeout_s, what=f"making {spec.weights} weights")
    text = json.dumps(report, indent=2, allow_nan=False)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    return report


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the weights in this process; see `make_weights`."""
    from models.export.golden_answers import golden_rows, write_answers

    spec = _SPECS.validate_python(request["weights"])
    opened = open_artifacts(TrainingArtifacts.model_validate(request["artifacts"]))
    target = Path(request["folder"]) / NETWORK_FILE
    network = opened.network()
    make_network = resolve_name(find_technique(spec.weights).maker)
    network, history = make_network(opened, network, spec)
    if isinstance(spec, OriginalSpec):
        shutil.copyfile(opened.artifacts.network_path, target)
    else:
        _calibrate(opened, network)
        save_network(network, target)
    rows = golden_rows(opened.artifacts.val_files)
    write_answers(target.parent / GOLDEN_FOLDER, rows, opened.serving(network))
    return {"weights": spec.model_dump(mode="json"), "history": history, **describe(network)}


def _calibrate(opened: Opened, network: Any) -> None:
    """Calibrates other weights as the candidate was: they share its operating threshold."""
    from models.data.dataset import ordered_batches
    from models.data.transformed import output_spec
    from models.training.calibration import calibrate
    from models.training.interval_widths import calibrate_intervals
    from models.training.learning import predict

    trainer = opened.artifacts.trainer
    if trainer.training.calibration == "temperature":
        val = opened.split("val")
        calibrate(network, ordered_batches(val), val.labels)
    if trainer.training.calibration == "conformal":
        val = opened.split("val")
        output = output_spec(trainer.problem, val.labels)
        calibrate_intervals(network, output, predict(network, val), val.labels)


def describe(network: Any) -> dict[str, Any]:
    """Counts a network's parameters, its zeros and its distinct weights.

    Sparsity is that of matrices and filters: biases and scales are few, and never pruned.
    """
    matrices = {
        variable.path: variable.numpy()
        for variable in network.variables
        if len(variable.shape) > 1 and "float" in str(variable.dtype)
    }
    weights = sum(matrix.size for matrix in matrices.values())
    zeros = sum(int(np.count_nonzero(matrix == 0)) for matrix in matrices.values())
    return {
        "parameters": int(network.count_params()),
        "sparsity": zeros / weights if weights else 0.0,
        "layers": {
            path: {
                "shape": list(matrix.shape),
                "sparsity": float(np.mean(matrix == 0)),
                "distinct": int(np.unique(matrix).size),
            }
            for path, matrix in matrices.items()
        },
    }
