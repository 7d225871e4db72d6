"""Compares an artifact with its own network's answers in Keras, on golden rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contracts.artifact import ArtifactModel
from contracts.forecasts import flat_quantiles
from contracts.results.variant import Parity
from models.compression.runtimes import SCORES, has_model_file
from models.export.golden_rows import golden_columns, golden_outputs
from models.export.saved_model_parity import compare


def run(request: Mapping[str, Any], loaded: Any = None) -> dict[str, Any]:
    """Compares an artifact in this process; a SavedModel is loaded by both loaders.

    Args:
      request: `folder`, `golden` (rows with the answers of the network that was converted) and
        `tolerance`.
      loaded: As `Predictor.loaded`, where the artifact is open already.
    """
    folder, golden = Path(request["folder"]), Path(request["golden"])
    if not has_model_file(folder):
        return compare(folder, golden, float(request["tolerance"]), loaded).model_dump()
    model = ArtifactModel(folder) if loaded is None else loaded
    scores = model.scores(model.tensors(golden_columns(golden)))
    outputs = golden_outputs(golden)
    wanted = flat_quantiles(next(outputs[name] for name in SCORES if name in outputs))
    gap = np.abs(wanted.astype(np.float64) - scores) / np.maximum(1.0, np.abs(wanted))
    worst = float(gap.max(initial=0.0))
    worst = worst if np.isfinite(worst) else float("inf")
    differences = {model.artifact.runtime: worst}
    return Parity(
        rows=len(wanted), max_difference=worst, differences=differences, wrong_classes=0
    ).model_dump()
