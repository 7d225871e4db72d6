"""What an artifact is compared with: its own network's answers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from contracts.forecasts import forecast_answers
from models.compression import parity


@pytest.mark.parametrize("error", [0.0, 0.25])
def test_a_file_that_forecasts_is_compared_level_by_level(
    error: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scores = np.random.default_rng(0).random((5, 3 * 4), np.float32)

    class File:
        artifact = SimpleNamespace(runtime="tflite")

        def __init__(self, _: Path) -> None: ...

        def tensors(self, columns: Any) -> Any:
            return columns

        def scores(self, _: Any) -> Any:
            return scores + np.float32(error) * (np.arange(12) == 7)

    monkeypatch.setattr(parity, "has_model_file", lambda _: True)
    monkeypatch.setattr(parity, "ArtifactModel", File)
    monkeypatch.setattr(parity, "golden_columns", lambda _: {})
    monkeypatch.setattr(parity, "golden_outputs", lambda _: forecast_answers(scores, 4))
    request = {"folder": str(tmp_path), "golden": str(tmp_path), "tolerance": 0.1}
    report = parity.run(request)
    assert report["rows"] == 5
    assert report["max_difference"] == pytest.approx(error)
