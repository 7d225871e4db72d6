"""Holds an artifact against its own network's answers in Keras, on golden rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.errors import ModelError
from contracts.names import serving_name
from models.compression.formats.artifact import read_artifact
from models.compression.runtimes import open_predictor, predict_table
from models.compression.spec import Kind
from models.data.text import text_of
from models.export.golden_rows import golden_columns, golden_outputs
from models.export.saved_model_parity import ParityReport, compare
from models.processes.isolated import call

_SCORES = ("probabilities", "predictions")


def verify_artifact(
    kind: Kind, folder: Path, golden: Path, tolerance: float, timeout_s: float
) -> ParityReport:
    """Compares in a fresh process, and refuses an artifact that answers otherwise.

    Args:
      kind: What the artifact is; a SavedModel is loaded by both loaders.
      folder: Where it is.
      golden: The golden rows, with the answers of the network that was converted.
      tolerance: The largest difference allowed.
      timeout_s: How long the process may take.

    Raises:
      ModelError: a difference exceeds the tolerance, or the artifact does not run.
    """
    request = {
        "kind": kind,
        "folder": str(folder),
        "golden": str(golden),
        "tolerance": tolerance,
    }
    report = ParityReport(
        **call(
            "models.compression.parity:run",
            request,
            timeout_s=timeout_s,
            what=f"loading {folder.name} in a fresh process",
            bare=kind != "savedmodel",
        )
    )
    if not report.max_difference <= tolerance:
        worst = max(report.differences, key=lambda name: report.differences[name])
        raise ModelError(
            "the artifact answers otherwise than its network does in Keras",
            where=f"{worst} of {folder}",
            expected=f"at most {tolerance:g} apart on {report.rows} golden rows",
            received=f"{report.max_difference:g} apart",
            fix="the variant is refused; a larger gates.tolerance would let it pass",
        )
    return report


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Compares in this process; see `verify_artifact`."""
    kind, folder, golden = request["kind"], Path(request["folder"]), Path(request["golden"])
    if kind == "savedmodel":
        return compare(folder, golden, boundary=float(request["tolerance"])).to_dict()
    scores = predict_table(open_predictor(kind, folder), golden_table(folder, golden))
    outputs = golden_outputs(golden)
    wanted = next(outputs[name] for name in _SCORES if name in outputs)
    gap = np.abs(wanted.astype(np.float64) - scores) / np.maximum(1.0, np.abs(wanted))
    worst = float(gap.max(initial=0.0))
    worst = worst if np.isfinite(worst) else float("inf")
    return ParityReport(len(wanted), worst, {kind: worst}, 0).to_dict()


def golden_table(folder: Path, golden: Path) -> pa.Table:
    """The golden rows as raw columns, by the features' names."""
    columns = golden_columns(golden)
    prepared = read_artifact(folder).preparation.features
    return pa.table({one.column: _plain(columns[serving_name(one.column)]) for one in prepared})


def _plain(values: Any) -> pa.Array:
    array = pa.array(values)
    return text_of(array) if pa.types.is_binary(array.type) else array
