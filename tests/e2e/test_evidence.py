"""What a run says for and against its model, and whether it finds planted defects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Workplace, make_workplace

# The stresses and the importance of features are no matter of a planted defect.
BRIEF = ("evaluation.stress={}", "evaluation.importance.enabled=false")
ROW = {"dep_hour": 18, "month": 2, "carrier": "EV", "origin": "EWR", "origin_delay": 40.0}

Plant = Callable[[pa.Table, np.random.Generator], pa.Table]


@pytest.fixture(scope="module")
def runs() -> list[str]:
    """The ids of the runs so far, which later tests speak of."""
    return []


@pytest.fixture
def planted(tmp_path: Path, shrunk_flights: Path) -> Callable[[Plant], Workplace]:
    """A workplace of its own, with a defect in every file."""

    def plant(change: Plant) -> Workplace:
        workplace = make_workplace(tmp_path / "workplace", shrunk_flights)
        rng = np.random.default_rng(0)
        for path in sorted(workplace.data.rglob("*.parquet")):
            pq.write_table(change(pq.read_table(path), rng), path)
        return workplace

    return plant


def _told(workplace: Workplace, *arguments: str) -> str:
    done = workplace.kelp(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_run_leaves_its_evidence_and_a_page_about_it(
    workplace: Workplace, runs: list[str]
) -> None:
    done = workplace.run("training.epochs=2", "evaluation.importance.repeats=2")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = workplace.summary
    runs.append(summary["run_id"])
    asked = {(gate["gate"], gate["subject"]) for gate in summary["gates"]}
    assert {("bound", ""), ("baseline", "majority"), ("robustness", "no_weather")} <= asked
    assert ("slice_gap", "") in asked
    assert not [gate for gate in summary["gates"] if gate["outcome"] == "block"]
    interval = summary["intervals"]["roc_auc"]
    assert 0 < interval["low"] < interval["value"] < interval["high"] < 1
    assert "report:" in done.stdout
    assert (workplace.latest / "report.html").stat().st_size < 5_000_000
    assert "The candidate was blessed and pushed to" in workplace.page
    assert not re.findall(r"https?://", workplace.page)


def test_the_registry_and_the_run_tell_the_same_verdict(
    workplace: Workplace, runs: list[str]
) -> None:
    (version,) = json.loads(_told(workplace, "models", "--json"))
    assert (version["name"], version["version"], version["blessed"]) == ("flights", 1, True)
    assert version["run"].endswith(runs[0])
    shown = _told(workplace, "models")
    assert f"roc_auc {version['metrics']['roc_auc']:.4f}" in shown
    of_version = json.loads(_told(workplace, "why", "1", "--json"))
    of_run = json.loads(_told(workplace, "why", runs[0], "--json"))
    assert of_version["blessed"] is of_run["blessed"] is True
    assert of_version["gates"] == of_run["gates"] == workplace.summary["gates"]
    shown = _told(workplace, "why", "1")
    assert "flights, version 1: blessed" in shown
    assert "serving_models/flights/1" in shown
    assert f"flights, run {runs[0]}: blessed" in _told(workplace, "why", runs[0])


def test_where_the_report_is(workplace: Workplace, runs: list[str]) -> None:
    place = Path(_told(workplace, "report", "--path").strip())
    assert place == (workplace.latest / "report.html").resolve()
    assert _told(workplace, "report", runs[0], "--path").strip() == str(place)


def test_one_row_is_explained(workplace: Workplace) -> None:
    model = "serving_models/flights/1"
    told = json.loads(_told(workplace, "explain", model, "--row", json.dumps(ROW), "--json"))
    assert 0 < told["prediction"]["probabilities"] < 1
    added = {entry["feature"]: entry["attribution"] for entry in told["attributions"]}
    assert ROW.keys() <= added.keys()
    total = told["reference_score"] + sum(added.values()) + told["residual"]
    assert total == pytest.approx(told["score"], abs=1e-4)


def test_another_bound_is_weighed_against_the_evidence_that_is_there(
    workplace: Workplace, runs: list[str]
) -> None:
    done = workplace.run(
        "training.epochs=2",
        "evaluation.importance.repeats=2",
        "evaluation.bounds.roc_auc.min=0.99",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    runs.append(workplace.summary["run_id"])
    assert workplace.rerun == {"ModelGate", "Pusher", "Tracker"}
    assert workplace.summary["blessed"] is False
    assert "The candidate was not blessed" in workplace.page


def test_what_changed_between_two_runs(workplace: Workplace, runs: list[str]) -> None:
    changes = json.loads(_told(workplace, "diff", *runs, "--json"))
    assert [(one["key"], one["before"], one["after"]) for one in changes["config"]] == [
        ("evaluation.bounds.roc_auc.min", 0.6, 0.99)
    ]
    for section in ("data", "statistics", "schema", "source", "versions", "metrics", "slices"):
        assert changes[section] == [], section
    assert changes["gates"]
    shown = _told(workplace, "diff", *runs)
    assert "evaluation.bounds.roc_auc.min" in shown
    assert "no difference: " in shown


def test_a_replay_comes_to_the_same_metrics(workplace: Workplace, runs: list[str]) -> None:
    assert "metrics reproduced to 1e-06" in _told(workplace, "replay", runs[0])
    assert len(json.loads(_told(workplace, "models", "--json"))) == 1


def test_a_leaking_column_stops_the_run(planted: Callable[[Plant], Workplace]) -> None:
    def leak(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        late = table["delayed"].to_numpy() * 100.0
        return table.append_column("leak", pa.array(late + rng.normal(size=len(late))))

    workplace = planted(leak)
    done = workplace.run("features.leak={type: numeric}")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 10
    assert "Feature 'leak' alone nearly decides the label 'delayed'" in lines[0]
    assert "leakage" in done.stderr
    assert "DataGate, feature leak" in done.stderr
    assert workplace.summary["stopped_at"] == "DataGate"
    assert not (workplace.folder / "runs/flights/artifacts/Trainer").exists()
    audit = json.loads((workplace.latest / "data_verdict" / "audit.json").read_text())
    blocking = [one for one in audit["checks"] if one["outcome"] == "block"]
    assert [(one["check"], one["feature"]) for one in blocking] == [("leakage", "leak")]
    assert "Feature 'leak' alone nearly decides the label" in workplace.page
    assert "The run failed at DataGate" in workplace.page
    assert "'leak' alone nearly decides" in _told(workplace, "why")


def test_a_model_of_shuffled_labels_is_not_pushed(planted: Callable[[Plant], Workplace]) -> None:
    def shuffle(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        # Drawn alike in every month: shuffled within a month, its share could be learnt.
        place = table.column_names.index("delayed")
        labels = pa.array((rng.random(len(table)) < 0.25).astype(np.int64))
        return table.set_column(place, "delayed", labels.cast(table["delayed"].type))

    workplace = planted(shuffle)
    # Without a bound, chance itself has to be told from a model.
    done = workplace.run("evaluation.bounds={}", *BRIEF)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = workplace.summary
    assert summary["blessed"] is False
    assert summary["pushed_to"] is None
    assert not (workplace.folder / "serving_models").exists()
    refusal = next(gate for gate in summary["gates"] if gate["subject"] == "majority")
    assert refusal["outcome"] == "block"
    assert refusal["reason"].endswith("Decided by evaluation.baselines.majority.")
    assert done.stdout.splitlines()[-1].startswith("NOTHING WAS PUSHED: ")
