"""The files of the baseline models: their scores on test, and the facts about each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contracts.files import read_json, write_json
from evidence.prediction_table import ROWS_FILE, read_scores, write_scores

Array = np.ndarray[Any, Any]

FACTS_FILE = "baselines.json"


def write_baselines(folder: Path, scores: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Writes `test.parquet` and `baselines.json`."""
    write_scores(folder / ROWS_FILE, scores)
    write_json(folder / FACTS_FILE, dict(facts))


def read_baselines(folder: Path) -> tuple[dict[str, Array], dict[str, float]]:
    """Reads by baseline its scores on test, and its operating threshold (binary only)."""
    facts = read_json(folder / FACTS_FILE)["models"]
    thresholds = {name: one["threshold"] for name, one in facts.items()}
    return read_scores(folder / ROWS_FILE), {
        name: threshold for name, threshold in thresholds.items() if threshold is not None
    }
