"""The whole pipeline's seconds by component, fresh and then cached, and what its variants cost.

Run as `python -m bench.pipeline`. Works in a temporary folder, on all flights.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.variants import table

CONFIG = "configs/flights.yaml"
FRESH_BOUND_S = 540
CACHED_BOUND_S = 45


def main() -> int:
    """Prints the table; gives 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("overrides", nargs="*", help="config overrides, key.sub=value")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kelp-bench-") as folder:
        overrides = [*overrides_of(Path(folder)), *arguments.overrides]
        summary, fresh = fresh_run(Path(folder), overrides)
        cached = _timed(overrides)
        again = _summary(Path(folder))
    _report(summary, fresh, cached)
    print(table(summary))
    all_cached = all(again["cached"][name] for name in again["cached"] if name != "Baseline")
    print(f"second run: every component cached: {'yes' if all_cached else 'NO'}")
    return 0 if fresh <= FRESH_BOUND_S and cached <= CACHED_BOUND_S and all_cached else 1


def overrides_of(folder: Path) -> list[str]:
    """What keeps a run within a folder."""
    return [
        f"data.path={folder}/data/span-{{SPAN}}/*.parquet",
        f"runs={folder}/runs",
        f"push.root={folder}/serving_models",
        f"push.artifacts={folder}/artifacts",
        f"tracking.uri=sqlite:///{folder}/runs/mlflow.db",
    ]


def fresh_run(folder: Path, overrides: list[str]) -> tuple[dict[str, Any], float]:
    """Gets the flights and runs the pipeline on them: its summary, and the run's seconds."""
    _kelp("data", "flights", "--out", str(folder / "data"))
    seconds = _timed(overrides)
    return _summary(folder), seconds


def _kelp(*arguments: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("kelp")), *arguments], check=True)


def _timed(overrides: list[str]) -> float:
    began = time.monotonic()
    _kelp("run", CONFIG, *overrides)
    return time.monotonic() - began


def _summary(folder: Path) -> dict[str, Any]:
    path = folder / "runs" / "flights" / "latest" / "summary.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _report(summary: dict[str, Any], fresh: float, cached: float) -> None:
    print("\nwhole pipeline, seconds by component")
    for name, seconds in summary["seconds"].items():
        peak = summary["peak_memory_mib"][name]
        print(f"  {name:<38}{seconds:>8.1f}{peak:>10,.0f} MiB peak")
    rest = fresh - sum(summary["seconds"].values())
    print(f"  {'start-up, summary':<38}{rest:>8.1f}")
    print(f"  {'in all':<38}{fresh:>8.1f}   (bound {FRESH_BOUND_S} s)")
    print(f"  {'second run':<38}{cached:>8.1f}   (bound {CACHED_BOUND_S} s)")


if __name__ == "__main__":
    sys.exit(main())
