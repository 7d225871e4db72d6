"""How often an artifact is timed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from models.compression import runtimes


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [(0.0, 300), (0.001, 300), (0.01, 100), (0.02, 50), (0.125, 30), (1.0, 5), (9.0, 5)],
)
def test_a_slow_artifact_is_timed_less_often(
    monkeypatch: pytest.MonkeyPatch, seconds: float, calls: int
) -> None:
    clock = SimpleNamespace(now=0.0)

    called = []

    def act() -> None:
        called.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(runtimes, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    times = runtimes._times(act, 300)
    assert len(times) == pytest.approx(calls, abs=1)
    np.testing.assert_allclose(times, seconds * 1e3, atol=1e-6)
    warmed_up = len(called) - len(times)
    assert warmed_up == (20 if seconds <= 0.02 else max(1, round(1 / seconds)))
