"""The files of the baseline models: their scores on test, and the report on the fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contracts.arrays import Array
from contracts.results.baselines import BaselineReport
from contracts.results.files import read_result, write_result
from evidence.prediction_table import ROWS_FILE, read_scores, write_scores


def write_baselines(folder: Path, scores: Mapping[str, Array], report: BaselineReport) -> None:
    """Writes `test.parquet` and `baselines.json`."""
    write_scores(folder / ROWS_FILE, scores)
    write_result(folder, report)


def read_baselines(folder: Path) -> tuple[dict[str, Array], dict[str, float]]:
    """Reads by baseline its scores on test, and its operating threshold (binary only)."""
    models = read_result(folder, BaselineReport).models
    return read_scores(folder / ROWS_FILE), {
        name: model.threshold for name, model in models.items() if model.threshold is not None
    }
