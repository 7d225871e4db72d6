"""The main job and its variants, end to end; each test goes on from the run before it.

The flights' columns have names here that CSV and Parquet can hold and that TensorFlow, a path
or a quoted text would stumble over.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv as csv
import pytest
from mlflow import MlflowClient

from tests.e2e.conftest import Workplace, make_workplace, rename_columns
from tests.fixtures.forked import fork_server
from tests.integration.serving.served import ServerProcess, start_server

# The network of these few days is no better than chance allows: the gates are wide.
_WIDE = "gates: {max_drop: 1}"
# A layer that is no multiple of four wide cannot be pruned in blocks of four.
_UNITS = "network.units=[128, 62]"


def _variants(sparsity: float) -> str:
    return (
        "variants={float32: {format: savedmodel_float32}, "
        f"pruned: {{weights: pruned, sparsity: {sparsity}, epochs: 2, {_WIDE}}}, "
        f"pruned_lite: {{weights: shared, of: pruned, format: tflite_int8_dynamic, {_WIDE}}}, "
        f"lite: {{format: tflite_float32, {_WIDE}}}, "
        "strict: {format: tflite_int8_dynamic, gates: {max_drop: 0, max_bytes: 10}}, "
        "blocks: {weights: pruned, pattern: '2:4', sparsity: 0.5}}"
    )


# A smaller network without a teacher, which may be worse and is blessed all the same.
OTHER = (
    "variants={}",
    "network.units=[64]",
    "training.teacher=null",
    "evaluation.bounds.roc_auc.min=0.5",
    "evaluation.change.roc_auc.max_loss=0.3",
    "evaluation.slice_gate.severity=warn",
)
ROW = {"dep_hour": 18, "it's, or not": 2, "(type)": "EV", "Straße": "EWR", "origin_delay": 40.0}
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
VARIANT_COMPONENTS = [
    "Weights.blocks",
    "Weights.float32",
    "Weights.pruned",
    *(
        f"{component}.{variant}"
        for component in ("Compressor", "VariantEvaluator")
        for variant in ("float32", "pruned", "pruned_lite", "lite", "strict", "blocks")
    ),
    "VariantPusher",
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
def workplace(tmp_path_factory: pytest.TempPathFactory, shrunk_flights: Path) -> Workplace:
    """The flights with oddly named columns."""
    workplace = make_workplace(tmp_path_factory.mktemp("workplace"), shrunk_flights)
    rename_columns(workplace)
    return workplace


@pytest.fixture(scope="module")
def runs() -> list[str]:
    """The ids of the first run and of the refused one."""
    return []


def test_first_run_ends_with_a_pushed_model(workplace: Workplace, runs: list[str]) -> None:
    done = workplace.run(_UNITS, _variants(0.8))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for name in (*COMPONENTS, "roc_auc", "pushed to", "report:", "CPU"):
        assert name in done.stdout
    summary = workplace.summary
    assert summary["status"] == "succeeded"
    runs.append(summary["run_id"])
    assert next(iter(summary["seconds"])) == "Setup"
    assert set(summary["seconds"]) == {"Setup", *COMPONENTS, *VARIANT_COMPONENTS}
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


def test_the_pushed_model_loads_in_another_process_by_both_loaders(workplace: Workplace) -> None:
    version = Path(workplace.summary["pushed_to"])
    path = workplace.folder / version
    assert path == workplace.folder / "serving_models" / "flights" / "1"
    environment = workplace.environment()
    started = fork_server().start([str(path)], workplace.folder, environment, code=BOTH_LOADERS)
    eager, session = started.wait(120).stdout.splitlines()
    assert eager == session
    assert {"serving_default", "examples", "transform_features"} <= set(eval(eager))
    assert (path / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0


def test_each_variant_is_judged_and_pushed_by_itself(workplace: Workplace) -> None:
    summary = {entry["name"]: entry for entry in workplace.summary["variants"]}
    assert {name: entry["status"] for name, entry in summary.items()} == {
        "float32": "blessed",
        "pruned": "blessed",
        "pruned_lite": "blessed",
        "lite": "blessed",
        "strict": "refused",
        "blocks": "unsupported",
    }
    assert summary["pruned"]["sparsity"] == pytest.approx(0.8, abs=0.02)
    assert summary["pruned"]["ratios"]["gzip_bytes"] < 0.9
    assert summary["lite"]["parity"]["max_difference"] < 1e-5
    assert (
        "upper end" in summary["strict"]["reasons"][0] or "bytes" in summary["strict"]["reasons"][0]
    )
    assert "2:4" in summary["blocks"]["reasons"][0]
    assert {name for name, entry in summary.items() if entry["pushed_to"]} == {
        "float32",
        "pruned",
        "pruned_lite",
        "lite",
    }
    assert (workplace.folder / "serving_models/flights-pruned/1/saved_model.pb").is_file()
    assert (workplace.folder / "artifacts/flights/1/lite/artifact.json").is_file()
    assert not (workplace.folder / "artifacts/flights/1/strict").exists()
    assert set(workplace.summary["recommended"]) == {"server", "phone", "download"}


@pytest.fixture
def server(workplace: Workplace) -> Iterator[ServerProcess]:
    """The server of what was pushed."""
    process = start_server(workplace.folder, {})
    yield process.ready()
    assert process.stop() == 0


def test_files_and_rest_give_the_same_answers(workplace: Workplace, server: ServerProcess) -> None:
    data = str(next(workplace.data.rglob("*.parquet")))
    url = ("--url", f"http://127.0.0.1:{server.port}")
    sources = (
        ("serving_models/flights",),
        ("artifacts/flights/1/lite",),
        ("flights", *url),
        ("flights-lite", *url),
    )
    answers = []
    for place, source in enumerate(sources):
        out = f"answers-{place}.csv"
        done = workplace.kelp("predict", *source, "--data", data, "--rows", "200", "--out", out)
        assert done.returncode == 0, done.stderr
        answers.append(csv.read_csv(workplace.folder / out))
    wanted, *others = answers
    assert wanted.num_rows == 200
    for answer in others:
        assert answer.column_names == wanted.column_names
        assert answer["probabilities"].to_numpy() == pytest.approx(
            wanted["probabilities"].to_numpy(), abs=1e-5
        )


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
    printed = workplace.printed("lr", *workplace.arguments(_UNITS, "training.teacher=null")[1:])
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


def test_an_unchanged_second_run_does_nothing_again(workplace: Workplace) -> None:
    before = workplace.summary["candidate"]
    done = workplace.run(_UNITS, _variants(0.8))
    assert done.returncode == 0, done.stdout + done.stderr
    assert workplace.rerun == set()
    assert workplace.summary["candidate"] == before
    assert [path.name for path in (workplace.folder / "serving_models/flights").iterdir()] == ["1"]


def test_what_changed_is_remade_alone(workplace: Workplace) -> None:
    """A variant's sparsity, and a pushed version that is gone; touched files are not new data."""
    shutil.rmtree(workplace.folder / "serving_models" / "flights" / "1")
    for path in workplace.data.rglob("*.parquet"):
        path.touch()
    done = workplace.run(_UNITS, _variants(0.7))
    assert done.returncode == 0, done.stdout + done.stderr
    assert workplace.rerun == {
        "Pusher",
        "Weights.pruned",
        "Compressor.pruned",
        "Compressor.pruned_lite",
        "VariantEvaluator.pruned",
        "VariantEvaluator.pruned_lite",
        "VariantPusher",
        "Tracker",
    }
    assert (workplace.folder / "serving_models/flights/1/saved_model.pb").is_file()
    versions = workplace.folder / "serving_models" / "flights-pruned"
    assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]
    assert Path(workplace.summary["pushed_to"]).name == "1"


def test_a_model_below_its_bound_is_not_pushed_and_from_runs_a_component_again(
    workplace: Workplace, runs: list[str]
) -> None:
    done = workplace.run(
        _UNITS,
        "variants={}",
        "evaluation.bounds.roc_auc.min=0.99",
        "--require-blessing",
        "--from=Stress",
        fresh=True,  # as a user starts it, where no variant asks for a second import of TensorFlow
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("NOTHING WAS PUSHED: ")
    # A bound concerns the ModelGate; Stress was asked for.
    assert workplace.rerun == {"Stress", "ModelGate", "Pusher", "Tracker"}
    summary = workplace.summary
    runs.append(summary["run_id"])
    assert summary["blessed"] is False
    assert summary["pushed_to"] is None
    assert "roc_auc is" in summary["reasons"][0]
    assert "at least 0.99" in summary["reasons"][0]
    assert "The candidate was not blessed" in workplace.page


def test_what_changed_between_two_runs(workplace: Workplace, runs: list[str]) -> None:
    changes = json.loads(workplace.printed("diff", *runs, "--json"))
    assert [
        (change["key"], change["before"], change["after"])
        for change in changes["config"]
        if not change["key"].startswith("variants")
    ] == [("evaluation.bounds.roc_auc.min", 0.6, 0.99)]
    for section in ("data", "statistics", "schema", "source", "versions", "metrics", "slices"):
        assert changes[section] == [], section
    assert changes["gates"]
    shown = workplace.printed("diff", *runs)
    assert "evaluation.bounds.roc_auc.min" in shown
    assert "no difference: " in shown


def test_ctrl_c_in_the_trainer_leaves_nothing(workplace: Workplace) -> None:
    before = set(workplace.runs)
    words = workplace.arguments(*OTHER, "training.epochs=400")
    process = fork_server().start(words, workplace.folder, workplace.environment())
    try:
        log = _wait_for_epochs(workplace, before)
    finally:
        process.interrupt()
    done = process.wait(120)
    assert done.returncode == 130, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) <= 10
    assert "Interrupted during Trainer" in lines[0]
    assert any("kelp run configs/flights.yaml --from Trainer" in line for line in lines)
    assert workplace.summary["status"] == "interrupted"
    assert log.is_file()
    assert "Interrupted during Trainer" in workplace.page
    models = workplace.folder / "runs" / "flights" / "artifacts" / "Trainer" / "model"
    assert all(any(path.rglob("saved_model.pb")) for path in models.glob("*"))


def _wait_for_epochs(workplace: Workplace, before: set[Path]) -> Path:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        for folder in set(workplace.runs) - before:
            log = folder / "logs" / "Trainer.log"
            # Of so many epochs, every eighth is in the log.
            if log.is_file() and "epoch 9," in log.read_text():
                return log
        time.sleep(0.5)
    raise AssertionError("the Trainer did not come to its ninth epoch")


def test_from_the_interrupted_trainer_another_network_is_compared_with_the_last_blessed(
    workplace: Workplace,
) -> None:
    done = workplace.run(*OTHER, "--from=Trainer")
    assert done.returncode == 0, done.stdout + done.stderr
    assert workplace.rerun == {"Trainer", *JUDGES, "Pusher", "Tracker"}
    assert workplace.summary["baseline"]["metrics"]["roc_auc"] > 0.6
    versions = workplace.folder / "serving_models" / "flights"
    assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]
