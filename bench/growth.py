"""What more rows cost: memory and seconds by component, of the flights once and many times over.

Run as `python -m bench.growth`. The flights come again and again, each time in another year, so
that the split puts their days elsewhere. Variants are left out. Works in a temporary folder
where none is given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.pipeline import CONFIG, overrides_of
from examples.flights.download import write_flights

TIMES = 10
MEMORY_RATIO = 1.3
MEMORY_MIB = 3 * 1024
_YEAR = 2013
_KELP = str(Path(sys.executable).with_name("kelp"))


def main() -> int:
    """Prints the table; gives 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES, help="how often the flights come")
    parser.add_argument("--folder", type=Path, help="where to work and to keep both runs")
    parser.add_argument("overrides", nargs="*", help="config overrides, key.sub=value")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = asked.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="kelp-bench-"))
        )
        plain = run_flights(folder, 1, asked.overrides)
        grown = run_flights(folder, asked.times, asked.overrides)
    print(growth_table(plain, grown))
    for entry in grown["sampled"]:
        print(f"on a sample: {entry['what']}: {entry['rows']:,} of {entry['all_rows']:,} rows")
    missed = too_large(plain, grown)
    print(f"memory beyond its bound: {', '.join(missed) or 'none'}")
    ratio = grown["total_seconds"] / plain["total_seconds"]
    print(f"time: {ratio:.1f} times as long (bound {asked.times * 1.1:.1f})")
    return 1 if missed or ratio > asked.times * 1.1 else 0


def run_flights(folder: Path, times: int, overrides: list[str]) -> dict[str, Any]:
    """Runs the pipeline on the flights, `times` times over: its summary.

    A run that `folder` has already is not done again.
    """
    place = folder / f"times-{times}"
    summary = place / "runs" / "flights" / "latest" / "summary.json"
    if not summary.is_file():
        write_flights(folder / "data")
        repeat_flights(folder / "data", place / "data", times)
        # A process of its own: the peak of one run must not count for the next.
        command = [_KELP, "run", CONFIG, *overrides_of(place), "variants={}", *overrides]
        subprocess.run(command, check=False)  # the summary says how it ended
    content: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    if content["status"] != "succeeded":
        raise SystemExit("\n".join(content["error"]))
    return content


def repeat_flights(source: Path, target: Path, times: int) -> None:
    """Writes every file `times` times beside itself, each time with the days of another year."""
    for path in sorted(source.glob("span-*/*.parquet")):
        table = pq.read_table(path)
        for copy in range(times):
            file = target / path.parent.name / f"{path.stem}-{copy}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(_in_year(table, _YEAR + copy), file, compression="zstd")


def _in_year(table: pa.Table, year: int) -> pa.Table:
    dates = pc.utf8_replace_slice(table["date"], 0, 4, str(year))
    return table.set_column(table.schema.get_field_index("date"), "date", dates)


def growth_table(plain: Mapping[str, Any], grown: Mapping[str, Any]) -> str:
    """Gives memory and seconds by component, of both runs, and their ratios."""
    rows = [sum(summary["rows"].values()) for summary in (plain, grown)]
    lines = [
        f"{'':<18}{'MiB peak':>10}{'':>10}{'ratio':>7}{'seconds':>10}{'':>10}{'ratio':>7}",
        f"{'rows':<18}{rows[0]:>10,}{rows[1]:>10,}{'':>7}{rows[0]:>10,}{rows[1]:>10,}",
    ]
    for name, peak in grown["peak_memory_mib"].items():
        memory = (plain["peak_memory_mib"][name], peak)
        seconds = (plain["seconds"][name], grown["seconds"][name])
        lines.append(
            f"{name:<18}{memory[0]:>10,.0f}{memory[1]:>10,.0f}{memory[1] / max(memory[0], 1):>7.2f}"
            f"{seconds[0]:>10.1f}{seconds[1]:>10.1f}{seconds[1] / max(seconds[0], 0.01):>7.1f}"
        )
    totals = (plain["total_seconds"], grown["total_seconds"])
    return "\n".join(
        [*lines, f"{'in all':<45}{totals[0]:>10.1f}{totals[1]:>10.1f}{totals[1] / totals[0]:>7.1f}"]
    )


def too_large(plain: Mapping[str, Any], grown: Mapping[str, Any]) -> list[str]:
    """Names the components whose memory grew beyond its ratio and beyond its MiB."""
    before = plain["peak_memory_mib"]
    return [
        name
        for name, peak in grown["peak_memory_mib"].items()
        if peak > max(MEMORY_RATIO * before[name], MEMORY_MIB)
    ]


if __name__ == "__main__":
    sys.exit(main())
