"""What is measured of an artifact is measured in a process that loads nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.compression import benchmark, runtimes
from models.compression.benchmark import BenchmarkTask, run_benchmark

PARITY = {"rows": 1, "max_difference": 0.0, "differences": {}, "wrong_classes": 0}


def _timing(memory: float) -> dict[str, float]:
    keys = ("p50_ms", "p95_ms", "rows_per_s", "prepare_ms", "load_s")
    return {**dict.fromkeys(keys, 1.0), "peak_memory_mib": memory}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """By process, the artifacts that it loads; its memory is 100 MiB for each."""
    processes: list[list[str]] = []

    def loaded(request: Any) -> str:
        return f"what was loaded of {Path(request['folder']).name}"

    def call(target: str, request: Any, **_: Any) -> dict[str, Any]:
        processes.append([])
        _, _, name = target.partition(":")
        module = benchmark if target.startswith(benchmark.__name__) else runtimes
        answer: dict[str, Any] = getattr(module, name)(request)
        return answer

    def open_and_time(request: Any) -> tuple[Any, dict[str, float]]:
        processes[-1].append(Path(request["folder"]).name)
        return SimpleNamespace(loaded=loaded(request)), _timing(100.0 * len(processes[-1]))

    def use(request: Any, thing: str) -> dict[str, Any]:
        assert thing == loaded(request)
        return PARITY

    monkeypatch.setattr(benchmark, "call", call)
    monkeypatch.setattr(runtimes, "call", call)
    monkeypatch.setattr(runtimes, "open_and_time", open_and_time)
    monkeypatch.setattr(
        runtimes, "run_predict", lambda request, artifact: use(request, artifact.loaded)
    )
    monkeypatch.setattr(benchmark.parity, "run", use)
    return processes


def _task(folder: Path, name: str) -> BenchmarkTask:
    rows = folder / "rows.parquet"
    return BenchmarkTask(
        name, folder / name, folder, rows, folder, 1e-3, 2, reference=folder / "float32"
    )


def test_the_reference_is_measured_alone(loaded: list[list[str]], tmp_path: Path) -> None:
    measured = run_benchmark(_task(tmp_path, "pruned"), 60)
    assert loaded == [["pruned"], ["float32"]]
    assert measured.timing.peak_memory_mib == measured.reference.peak_memory_mib == 100.0


def test_float32_is_its_own_reference(loaded: list[list[str]], tmp_path: Path) -> None:
    measured = run_benchmark(_task(tmp_path, "float32"), 60)
    assert loaded == [["float32"]]
    assert measured.reference == measured.timing
