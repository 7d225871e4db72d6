"""The main job, end to end; each test goes on from the run before it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.e2e.conftest import Workplace

# A smaller network, which may be worse and is blessed all the same.
OTHER = (
    "network.units=[64]",
    "evaluation.bounds.roc_auc.min=0.5",
    "evaluation.change.roc_auc.max_loss=0.3",
    "evaluation.slice_gate.severity=warn",
)
ROW = {"dep_hour": 18, "month": 2, "carrier": "EV", "origin": "EWR", "origin_delay": 40.0}
COMPONENTS = [
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "DataGate",
    "Transform",
    "Trainer",
    "BaselineModels",
    "Baseline",
    "Evaluator",
    "Stress",
    "Predictions",
    "ModelGate",
    "Pusher",
    "Tracker",
]
JUDGES = ("Evaluator", "Stress", "Predictions", "ModelGate")
BOTH_LOADERS = """
import sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
print(sorted(model.signatures))
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    meta = tf.compat.v1.saved_model.load(session, ["serve"], sys.argv[1])
    print(sorted(name for name in meta.signature_def if not name.startswith("__")))
"""


@pytest.fixture(scope="module")
def runs() -> list[str]:
    """The ids of the first run and of the refused one."""
    return []


def test_first_run_ends_with_a_pushed_model(workplace: Workplace, runs: list[str]) -> None:
    done = workplace.run(traced=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for name in (*COMPONENTS, "roc_auc", "pushed to", "report:", "CPU"):
        assert name in done.stdout
    summary = workplace.summary
    assert summary["status"] == "succeeded"
    runs.append(summary["run_id"])
    assert next(iter(summary["seconds"])) == "Setup"
    assert set(summary["seconds"]) == {"Setup", *COMPONENTS}
    assert min(summary["rows"].values()) > 500
    assert summary["blessed"] is True
    assert summary["candidate"]["metrics"]["roc_auc"] > 0.6
    assert len(summary["candidate"]["slices"]) > 10
    assert set(summary["digests"]) == {"config", "data", "source"}
    assert all(summary["digests"].values())
    assert summary["training"]["device"].startswith("CPU")
    history = summary["training"]["history"]
    assert len(history) == 4
    assert {"loss", "val_loss", "learning_rate", "gradient_norm"} <= set(history[0])
    assert (workplace.folder / "runs/flights/latest/logs/Trainer.log").stat().st_size > 0


def test_the_pushed_model_loads_in_a_fresh_process_by_both_loaders(workplace: Workplace) -> None:
    version = Path(workplace.summary["pushed_to"])
    path = workplace.folder / version
    assert path == workplace.folder / "serving_models" / "flights" / "1"
    done = subprocess.run(
        [sys.executable, "-c", BOTH_LOADERS, str(path)], capture_output=True, text=True, check=True
    )
    eager, session = done.stdout.splitlines()
    assert eager == session
    assert {"serving_default", "examples", "transform_features"} <= set(eval(eager))
    assert (path / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0


def test_mlflow_has_the_run(workplace: Workplace) -> None:
    tracked = workplace.summary["mlflow"]
    client = MlflowClient(f"sqlite:///{workplace.folder}/runs/mlflow.db")
    run = client.get_run(tracked["run_id"])
    assert run.data.tags["blessed"] == "true"
    assert run.data.metrics["roc_auc"] == workplace.summary["candidate"]["metrics"]["roc_auc"]
    assert len(client.get_metric_history(tracked["run_id"], "epoch_loss")) == 4


def test_it_leaves_its_evidence_and_a_page_about_it(workplace: Workplace) -> None:
    summary = workplace.summary
    asked = {(gate["gate"], gate["subject"]) for gate in summary["gates"]}
    assert {("bound", ""), ("baseline", "majority"), ("robustness", "no_weather")} <= asked
    assert ("slice_gap", "") in asked
    assert not [gate for gate in summary["gates"] if gate["outcome"] == "block"]
    interval = summary["intervals"]["roc_auc"]
    assert 0 < interval["low"] < interval["value"] < interval["high"] < 1
    assert (workplace.latest / "report.html").stat().st_size < 5_000_000
    assert "The candidate was blessed and pushed to" in workplace.page
    assert not re.findall(r"https?://", workplace.page)


def test_the_registry_and_the_run_tell_the_same_verdict(
    workplace: Workplace, runs: list[str]
) -> None:
    (version,) = json.loads(workplace.printed("models", "--json"))
    assert (version["name"], version["version"], version["blessed"]) == ("flights", 1, True)
    assert version["run"].endswith(runs[0])
    shown = workplace.printed("models")
    assert f"roc_auc {version['metrics']['roc_auc']:.4f}" in shown
    of_version = json.loads(workplace.printed("why", "1", "--json"))
    of_run = json.loads(workplace.printed("why", runs[0], "--json"))
    assert of_version["blessed"] is of_run["blessed"] is True
    assert of_version["gates"] == of_run["gates"] == workplace.summary["gates"]
    shown = workplace.printed("why", "1")
    assert "flights, version 1: blessed" in shown
    assert "serving_models/flights/1" in shown
    assert f"flights, run {runs[0]}: blessed" in workplace.printed("why", runs[0])


def test_a_range_test_takes_what_the_run_has_made(workplace: Workplace) -> None:
    before = workplace.runs
    printed = workplace.printed("lr", *workplace.arguments()[2:])
    assert re.search(
        r"^training\.optimizer\.learning_rate=\S+  \(now 0\.\d+\)$", printed, re.MULTILINE
    )
    for name in ("ExampleGen", "DataGate", "Transform"):
        assert re.search(rf"^{name} +cached ", printed, re.MULTILINE), printed
    assert "Trainer" not in printed
    page = Path(printed.partition("picture: ")[2].strip())
    assert "Recommended" in (workplace.folder / page).read_text()
    assert workplace.runs == before


def test_where_the_report_is(workplace: Workplace, runs: list[str]) -> None:
    place = Path(workplace.printed("report", "--path").strip())
    assert place == (workplace.latest / "report.html").resolve()
    assert workplace.printed("report", runs[0], "--path").strip() == str(place)


def test_one_row_is_explained(workplace: Workplace) -> None:
    model = "serving_models/flights/1"
    explained = json.loads(workplace.printed("explain", model, "--row", json.dumps(ROW), "--json"))
    assert 0 < explained["prediction"]["probabilities"] < 1
    added = {entry["feature"]: entry["attribution"] for entry in explained["attributions"]}
    assert ROW.keys() <= added.keys()
    total = explained["reference_score"] + sum(added.values()) + explained["residual"]
    assert total == pytest.approx(explained["score"], abs=1e-4)


def test_a_model_below_its_bound_is_not_pushed(workplace: Workplace, runs: list[str]) -> None:
    done = workplace.run("evaluation.bounds.roc_auc.min=0.99", "--require-blessing")
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("NOTHING WAS PUSHED: ")
    assert workplace.rerun == {"ModelGate", "Pusher", "Tracker"}
    summary = workplace.summary
    runs.append(summary["run_id"])
    assert summary["blessed"] is False
    assert summary["pushed_to"] is None
    assert "roc_auc is" in summary["reasons"][0]
    assert "at least 0.99" in summary["reasons"][0]
    assert "The candidate was not blessed" in workplace.page


def test_what_changed_between_two_runs(workplace: Workplace, runs: list[str]) -> None:
    changes = json.loads(workplace.printed("diff", *runs, "--json"))
    assert [(one["key"], one["before"], one["after"]) for one in changes["config"]] == [
        ("evaluation.bounds.roc_auc.min", 0.6, 0.99)
    ]
    for section in ("data", "statistics", "schema", "source", "versions", "metrics", "slices"):
        assert changes[section] == [], section
    assert changes["gates"]
    shown = workplace.printed("diff", *runs)
    assert "evaluation.bounds.roc_auc.min" in shown
    assert "no difference: " in shown


def test_a_replay_comes_to_the_same_metrics(workplace: Workplace, runs: list[str]) -> None:
    assert "metrics reproduced to 1e-06" in workplace.printed("replay", runs[0])
    assert len(json.loads(workplace.printed("models", "--json"))) == 1


def test_an_unchanged_second_run_does_nothing_again(workplace: Workplace) -> None:
    before = workplace.summary["candidate"]
    done = workplace.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert workplace.rerun == set()
    assert workplace.summary["candidate"] == before
    assert [path.name for path in (workplace.folder / "serving_models/flights").iterdir()] == ["1"]


def test_a_deleted_version_is_pushed_again_and_touched_files_are_not_new_data(
    workplace: Workplace,
) -> None:
    shutil.rmtree(workplace.folder / "serving_models" / "flights" / "1")
    for path in workplace.data.rglob("*.parquet"):
        path.touch()
    assert workplace.run().returncode == 0
    assert workplace.rerun == {"Pusher", "Tracker"}
    assert (workplace.folder / "serving_models/flights/1/saved_model.pb").is_file()


def test_another_network_is_held_against_the_last_blessed(workplace: Workplace) -> None:
    done = workplace.run(*OTHER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert workplace.rerun == {"Trainer", *JUDGES, "Pusher", "Tracker"}
    assert workplace.summary["baseline"]["metrics"]["roc_auc"] > 0.6
    versions = workplace.folder / "serving_models" / "flights"
    assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]


def test_from_runs_a_component_and_what_follows_again(workplace: Workplace) -> None:
    done = workplace.kelp(*workplace.arguments(*OTHER)[1:], "--from", "Evaluator")
    assert done.returncode == 0, done.stdout + done.stderr
    assert workplace.rerun == {"Evaluator", "ModelGate", "Pusher", "Tracker"}


def test_ctrl_c_in_the_trainer_leaves_nothing_and_resumes(workplace: Workplace) -> None:
    overrides = ("training.epochs=400", "network.units=[16]")
    before = set(workplace.runs)
    process = subprocess.Popen(
        workplace.arguments(*overrides),
        cwd=workplace.folder,
        env=workplace.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        log = _wait_for_epochs(workplace, before)
    finally:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    lines = err.strip().splitlines()
    assert len(lines) <= 10
    assert "Interrupted during Trainer" in lines[0]
    assert any("kelp run configs/flights.yaml --from Trainer" in line for line in lines)
    assert workplace.summary["status"] == "interrupted"
    assert log.is_file()
    assert "Interrupted during Trainer" in workplace.page
    models = workplace.folder / "runs" / "flights" / "artifacts" / "Trainer" / "model"
    assert all(any(path.rglob("saved_model.pb")) for path in models.glob("*"))
    done = workplace.kelp(*workplace.arguments("network.units=[16]")[1:], "--from", "Trainer")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ExampleGen" not in workplace.rerun
    assert "Trainer" in workplace.rerun


def _wait_for_epochs(workplace: Workplace, before: set[Path]) -> Path:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        for folder in set(workplace.runs) - before:
            log = folder / "logs" / "Trainer.log"
            if log.is_file() and "epoch 3" in log.read_text().lower():
                return log
        time.sleep(0.5)
    raise AssertionError("the Trainer did not come to its third epoch")
