"""Kelp's paired bootstrap beside TFMA's own confidence intervals, on the same predictions.

Run as `python -m bench.intervals`. Each measurement is a process of its own; seconds are
those of the computation, without imports. Kelp must keep its bounds at the full size;
TFMA takes minutes there, so that by default both are compared on fewer rows and slices
(`--rows`, `--slices`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIME_BOUND = 20.0
MEMORY_BOUND = 1024.0
RESAMPLES = 1000
FULL_ROWS = 33_000
FULL_SLICES = 200
SHARES = (0.1, 0.15, 0.25, 0.5)
SEED = 7


def main() -> int:
    """Prints the figures; gives 1 where a bound is missed or the values differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000, help="rows of the comparison")
    parser.add_argument("--slices", type=int, default=20, help="slices of the comparison")
    parser.add_argument("--quick", action="store_true", help="a small size, and no bounds")
    parser.add_argument("--measure", nargs=3, metavar=("WHICH", "ROWS", "SLICES"))
    arguments = parser.parse_args()
    if arguments.measure:
        which, rows, slices = arguments.measure
        print(json.dumps(measure(which, int(rows), int(slices))))
        return 0
    full = (2000, 20) if arguments.quick else (FULL_ROWS, FULL_SLICES)
    return _report(full, (arguments.rows, arguments.slices), arguments.quick)


def _report(full: tuple[int, int], compared: tuple[int, int], quick: bool) -> int:
    ours = _in_process("ours", *full)
    print(f"Kelp: {RESAMPLES:,} resamples, {full[1]} slices and the whole, {full[0]:,} rows,")
    print("  ROC AUC of two models, each slice's change and gap:")
    print(_row("Kelp", ours))
    mine = ours if compared == full else _in_process("ours", *compared)
    peer = _in_process("tfma", *compared)
    print(f"On {compared[0]:,} rows and {compared[1]} slices, ROC AUC with intervals:")
    print(_row(f"Kelp, {RESAMPLES:,} resamples, 2 models", mine))
    print(_row("TFMA, 20 resamples, 1 model", peer))
    off = max(abs(peer["values"][name] - mine["values"][name]) for name in peer["values"])
    same = len(peer["values"]) == len(mine["values"]) == compared[1] + 1
    fast = ours["seconds"] <= TIME_BOUND
    small = ours["peak_mb"] <= MEMORY_BOUND
    checks = [
        ("values apart, at most", f"{off:.1e} (at most 1e-06)", same and off <= 1e-6),
        ("seconds", f"{ours['seconds']:.1f} (at most {TIME_BOUND:g})", fast or quick),
        ("peak memory, MB", f"{ours['peak_mb']:.0f} (at most {MEMORY_BOUND:g})", small or quick),
        ("times faster than TFMA", f"{peer['seconds'] / mine['seconds']:.0f}", True),
    ]
    for name, text, good in checks:
        print(f"{name:<36}{text:<32}{'ok' if good else 'MISSED'}")
    return 0 if all(good for _, _, good in checks) else 1


def predictions(rows: int, slices: int) -> dict[str, NDArray[Any]]:
    """Gives labels, the scores of two models, and four columns that make `slices` slices."""
    random = np.random.default_rng(SEED)
    truth = random.normal(-1.3, 1.2, rows)
    sizes = [max(1, round(slices * share)) for share in SHARES[:-1]]
    sizes.append(slices - sum(sizes))
    noisy = [truth + random.normal(0, 0.5, rows) for _ in range(2)]
    return {
        "label": (random.random(rows) < _sigmoid(truth)).astype(np.int64),
        "candidate": _sigmoid(noisy[0]).astype(np.float32),
        "baseline": _sigmoid(noisy[1]).astype(np.float32),
        **{f"by_{place}": random.integers(0, size, rows) for place, size in enumerate(sizes)},
    }


def _sigmoid(values: NDArray[Any]) -> NDArray[Any]:
    result: NDArray[Any] = 1 / (1 + np.exp(-values))
    return result


def measure(which: str, rows: int, slices: int) -> dict[str, Any]:
    """Runs one of the two in this process."""
    columns = predictions(rows, slices)
    seconds, values = (_tfma if which == "tfma" else _ours)(columns)
    return {"seconds": seconds, "peak_mb": _peak_mb(), "values": values}


def _ours(columns: dict[str, NDArray[Any]]) -> tuple[float, dict[str, float]]:
    import pyarrow as pa

    from evidence.compare import compare
    from evidence.config import EvaluationSpec, FoundSlicesSpec
    from evidence.prediction_table import PredictionTable

    by = [name for name in columns if name.startswith("by_")]
    table = PredictionTable(
        task="binary",
        classes=(0, 1),
        thresholds={},
        labels=columns["label"],
        keys=pa.table({name: columns[name] for name in by}),
        scores={name: columns[name] for name in ("candidate", "baseline")},
    )
    spec = EvaluationSpec(
        slices=tuple((name,) for name in by),
        min_slice_rows=1,
        resamples=RESAMPLES,
        found_slices=FoundSlicesSpec(max_values=len(columns["label"])),
    )
    began = time.perf_counter()
    found = compare(table, "candidate", "baseline", spec, SEED, find=False)
    seconds = time.perf_counter() - began
    by_slice = {_name(one.slice): one.metrics["roc_auc"].value or 0.0 for one in found.slices}
    return seconds, by_slice | {"": found.metrics["roc_auc"].candidate.value or 0.0}


def _tfma(columns: dict[str, NDArray[Any]]) -> tuple[float, dict[str, float]]:
    import pandas as pd
    import tfx  # noqa: F401 (before TFMA: see docs/decisions/0001-stack.md)

    import tensorflow_model_analysis as tfma  # isort: skip
    from tensorflow_model_analysis.proto import config_pb2  # isort: skip

    by = [name for name in columns if name.startswith("by_")]
    frame = pd.DataFrame({name: columns[name] for name in ("label", "candidate", *by)})
    area = {"name": "roc_auc", "num_thresholds": 10000}
    metric = config_pb2.MetricConfig(class_name="AUC", config=json.dumps(area))
    slices = [config_pb2.SlicingSpec(feature_keys=[name]) for name in by]
    config = config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(label_key="label", prediction_key="candidate")],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[metric])],
        slicing_specs=[config_pb2.SlicingSpec(), *slices],
    )
    config.options.compute_confidence_intervals.value = True
    config.options.confidence_intervals.method = (
        config_pb2.ConfidenceIntervalOptions.POISSON_BOOTSTRAP
    )
    began = time.perf_counter()
    result = tfma.analyze_raw_data(frame, config)
    seconds = time.perf_counter() - began
    return seconds, {
        _name(dict(key)): metrics[""][""]["roc_auc"]["boundedValue"]["value"]
        for key, metrics in result.slicing_metrics
    }


def _name(key: dict[str, Any]) -> str:
    return ", ".join(f"{column}={int(value)}" for column, value in key.items())


def _in_process(which: str, rows: int, slices: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.intervals", "--measure", which, str(rows), str(slices)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _row(name: str, figures: dict[str, Any]) -> str:
    return f"  {name:<36}{figures['seconds']:8.2f} s{figures['peak_mb']:10.0f} MB at most"


if __name__ == "__main__":
    sys.exit(main())
