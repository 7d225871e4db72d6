"""The main job, end to end; each test goes on from the run before it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from mlflow import MlflowClient

from tests.e2e.conftest import Workplace

# A smaller network, which may be worse and is blessed all the same.
OTHER = (
    "network.units=[64]",
    "evaluation.bounds.roc_auc.min=0.5",
    "evaluation.change.roc_auc.max_loss=0.3",
    "evaluation.slice_gate.severity=warn",
)
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


def test_first_run_ends_with_a_pushed_model(workplace: Workplace) -> None:
    done = workplace.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for name in (*COMPONENTS, "roc_auc", "pushed to", "CPU"):
        assert name in done.stdout
    summary = workplace.summary
    assert summary["status"] == "succeeded"
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


def test_a_model_below_its_bound_is_not_pushed(workplace: Workplace) -> None:
    done = workplace.run("evaluation.bounds.roc_auc.min=0.99", "--require-blessing")
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("NOTHING WAS PUSHED: ")
    summary = workplace.summary
    assert summary["blessed"] is False
    assert summary["pushed_to"] is None
    assert "roc_auc is" in summary["reasons"][0]
    assert "at least 0.99" in summary["reasons"][0]


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
