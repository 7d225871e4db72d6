"""What each variant costs and loses, beside float32.

Run as `python -m bench.variants [RUN]`. RUN is a run's folder or id, or a pipeline's name; the
latest run where it is not given. Where there is none yet, all flights are run first, in a
temporary folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.errors import KelpError
from contracts.files import read_json
from pipelines.runs.find import find_run, look_for_run

Json = Mapping[str, Any]

_FIGURES = (
    ("bytes", "bytes", "{:,.0f}"),
    ("gzip_bytes", "gzipped", "{:,.0f}"),
    ("p50_ms", "p50 ms", "{:.3f}"),
    ("rows_per_s", "rows/s", "{:,.0f}"),
    ("peak_memory_mib", "MiB", "{:,.0f}"),
)
# Beside the bytes: the multiple of float32's without what only the candidate has.
_LEAN = {"bytes": ("lean",), "gzip_bytes": ("lean",)}
_NONE = "-"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", help="a run's folder or id, or a pipeline's name")
    asked = parser.parse_args().run
    try:
        run = look_for_run(None, None, Path("runs")) if asked is None else find_run(asked)
    except KelpError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(_fresh() if run is None else read_json(run / "summary.json")))
    return 0


def _fresh() -> dict[str, Any]:
    from bench.pipeline import fresh_run, overrides_of

    with tempfile.TemporaryDirectory(prefix="kelp-bench-") as folder:
        return fresh_run(Path(folder), overrides_of(Path(folder)))[0]


def table(summary: Json) -> str:
    """The variants of a run as text: figures, multiples of float32's, and the verdict."""
    variants = summary.get("variants") or []
    if not variants:
        return f"the run {summary['run_id']} made no variants"
    metric = variants[0]["metric"]
    heads = ["variant", "verdict"]
    for key, head, _ in _FIGURES:
        heads += [head, "x", *_LEAN.get(key, ())]
    rows = [[*heads, metric, "lost", "upper end"], *map(_row, variants)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    heading = f"variants of the run {summary['run_id']}; x is the multiple of float32's, lean that "
    lines = ["", heading + "of its two signatures alone"]
    lines += ["  " + _aligned(row, widths) for row in rows]
    lines += [
        f"  {one['name']}: {reason}" for one in variants for reason in one.get("reasons") or ()
    ]
    lines += [
        f"  for a {place}: {choice['name']}, {choice['reason']}"
        for place, choice in (summary.get("recommended") or {}).items()
        if choice
    ]
    return "\n".join(lines)


def _row(variant: Json) -> list[str]:
    cells = [variant["name"], variant["status"]]
    for key, _, form in _FIGURES:
        cells.append(_text(_figure(variant, key), form))
        ratios = variant.get("ratios") or {}
        cells.append(_text(ratios.get(key), "{:.2f}"))
        cells += [_text(ratios.get(f"lean_{key}"), "{:.2f}") for _ in _LEAN.get(key, ())]
    worth = (variant.get("metrics") or {}).get(variant["metric"]) or {}
    value, upper = _lost(variant)
    return [
        *cells,
        _text(worth.get("value"), "{:.4f}"),
        _text(value, "{:+.4f}"),
        _text(upper, "{:+.4f}"),
    ]


def _figure(variant: Json, key: str) -> float | None:
    """A figure; the time of a row has its preparation in it, as the ratio has."""
    timing = variant.get("timing") or {}
    if key == "p50_ms" and timing:
        return float(timing["p50_ms"] + timing["prepare_ms"])
    found = timing.get(key, variant.get(key))
    return None if found is None else float(found)


def _lost(variant: Json) -> tuple[float | None, float | None]:
    """How much worse than float32 the main metric is, and the upper end of its interval."""
    found = (variant.get("difference") or {}).get(variant["metric"]) or {}
    value, upper = found.get("value"), found.get("high")
    if variant["higher_is_better"]:
        value, upper = (None if one is None else -one for one in (value, found.get("low")))
    return value, upper


def _text(value: float | None, form: str) -> str:
    return _NONE if value is None else form.format(value)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    words = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    figures = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join([*words, *figures]).rstrip()


if __name__ == "__main__":
    sys.exit(main())
