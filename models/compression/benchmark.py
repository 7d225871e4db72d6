"""Benchmarks an artifact: loads its files in a fresh process, times, predicts and compares.

One process does all three with the artifact that it loads once, because what it costs to start
TensorFlow, to load and to trace is most of the work.
The order matters: the peak memory is read before the rows of test are predicted. The reference is
timed in a process of its own, for its memory, too, is that of a process which has loaded it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.results.variant import Parity, Timing
from models.compression import parity, runtimes
from models.processes.isolated import call


@dataclass(frozen=True)
class BenchmarkTask:
    """What an artifact is benchmarked with.

    Attributes:
      name: The variant's name.
      folder: Where it is.
      golden: The golden rows with the answers of its network in Keras.
      rows: A Parquet file with raw rows.
      answers: Where the scores of `rows` are written, as `.npy`.
      tolerance: How far the golden answers may be apart.
      repeats: How many single rows, and how many batches, are timed at most.
      reference: A SavedModel that is timed after it, in the same minute; not where it is
        the artifact itself.
    """

    name: str
    folder: Path
    golden: Path
    rows: Path
    answers: Path
    tolerance: float
    repeats: int
    reference: Path


@dataclass(frozen=True)
class Benchmark:
    """What came of it; `reference` is the timing of the reference."""

    timing: Timing
    reference: Timing
    parity: Parity


def run_benchmark(task: BenchmarkTask, timeout_s: float) -> Benchmark:
    """Runs an artifact in a fresh process, with one thread.

    Raises:
      ModelError: the artifact does not load, crashes, or takes too long.
    """
    request = {
        name: str(value) if isinstance(value, Path) else value for name, value in vars(task).items()
    }
    # Variants are evaluated side by side, and timed one after the other.
    request["turn"] = str(task.reference)
    what = f"running the artifact of {task.name}"
    measured = call(
        "models.compression.benchmark:run",
        request,
        timeout_s=timeout_s,
        what=what,
        threads=1,
        bare=runtimes.has_model_file(task.folder),
    )
    timing = reference = Timing(**measured["timing"])
    if task.folder != task.reference:
        reference = runtimes.measure(
            task.reference, task.rows, task.repeats, timeout_s, turn=task.reference
        )
    return Benchmark(timing, reference, Parity(**measured["parity"]))


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Does it in this process; see `run_benchmark`."""
    artifact, timing = runtimes.open_and_time(request)
    runtimes.run_predict(request, artifact)
    return {"timing": timing, "parity": parity.run(request, artifact.loaded)}
