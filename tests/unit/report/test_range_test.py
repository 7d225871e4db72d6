"""The page of a learning-rate range test: whole, offline, with readable ticks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contracts.results.range_test import RangeTest
from report.range_test import write_page


@pytest.mark.parametrize("diverges", [0.4, None])
def test_the_page_shows_the_value_with_its_key(tmp_path: Path, diverges: float | None) -> None:
    rates = np.geomspace(1e-6, 1.0, 60).tolist()
    losses = np.linspace(0.9, 0.4, 60).tolist()
    found = RangeTest(
        optimizer="lion",
        current=0.002,
        rates=rates,
        losses=losses,
        smoothed=losses,
        lowest=0.1,
        steepest=0.0013,
        diverges=diverges,
        recommended=0.0013,
    )
    page = write_page(
        tmp_path, found, "<b>ames</b>", "training.optimizer.learning_rate"
    ).read_text()
    assert "training.optimizer.learning_rate=0.0013" in page
    assert "&lt;b&gt;ames" in page
    assert "1e-4" in page
    assert ("none up to 1" in page) == (diverges is None)
    assert ("diverges" in page) == (diverges is not None)
    for wrong in ("mathdefault", "http://", "https://", "<script"):
        assert wrong not in page
