"""How often an artifact is timed, and how often its reference."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.compression import benchmark, runtimes


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


@pytest.mark.parametrize(("folder", "timed"), [("float32", 1), ("int8", 2)])
def test_neither_reference_nor_artifact_is_loaded_twice(
    monkeypatch: pytest.MonkeyPatch, folder: str, timed: int
) -> None:
    measured, used = [], []

    def open_and_time(request: Mapping[str, Any]) -> tuple[Any, dict[str, float]]:
        measured.append(request["folder"])
        loaded = f"what was loaded of {request['folder']}"
        return SimpleNamespace(loaded=loaded), {"p50_ms": float(len(measured))}

    monkeypatch.setattr(runtimes, "open_and_time", open_and_time)
    monkeypatch.setattr(runtimes, "run_predict", lambda _, artifact: used.append(artifact.loaded))
    monkeypatch.setattr(benchmark.parity, "run", lambda _, loaded: used.append(loaded) or {})
    answer = benchmark.run({"folder": folder, "reference": "float32"})
    assert len(measured) == timed
    assert used == [f"what was loaded of {folder}"] * 2
    assert answer["timing"] == {"p50_ms": 1.0}
    assert answer["reference"] == {"p50_ms": float(timed)}
