"""The compiled pipeline: deterministic, valid, with the graph's edges, and resources."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from pipelines import cli
from pipelines.execution.schedule import Step
from pipelines.kubeflow.carried import to_text
from pipelines.kubeflow.compile import task_name

CONFIG = """\
name: demo_1
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: 'rows/{{SPAN}}.csv'}
kubeflow:
  image: registry.example.org/python-kelp:1
  storage: {kind: pvc, claim: shared, path: /data/kelp}
  secrets: [{name: database, env: {password: KELP_METADATA_PASSWORD}}]
  resources: {memory: 4Gi}
  nodes:
    Trainer: {gpu: 1, memory: 16Gi, retries: 1, timeout: 2h, node_selector: {pool: gpus}}
    Compressor: {tpu: 4, node_selector: {topology: 2x2}}
"""
STEPS = [
    Step("ExampleGen", frozenset()),
    Step("Trainer", frozenset({"ExampleGen"})),
    Step("Compressor.int8", frozenset({"Trainer", "ExampleGen"})),
]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.yaml").write_text(CONFIG)
    monkeypatch.setattr("pipelines.execution.steps.graph_steps", lambda loaded: STEPS)
    return tmp_path


def compiled(*overrides: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pipeline and what of it only Kubernetes knows."""
    assert cli.main(["kubeflow", "compile", "demo.yaml", "--out", "p.yaml", *overrides]) == 0
    spec, platform = yaml.safe_load_all(Path("p.yaml").read_text())
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_the_sdk_reads_no_source_of_its_callers(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del workplace
    asked, stack = [], inspect.stack
    monkeypatch.setattr(inspect, "stack", lambda context=1: asked.append(context) or stack(context))
    compiled()
    assert set(asked) == {0}


@pytest.mark.parametrize("granularity", ["run", "node"])
def test_the_same_config_is_the_same_text_that_the_pipeline_spec_reads(
    workplace: Path, granularity: str
) -> None:
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec, _ = compiled(f"kubeflow.granularity={granularity}")
    first = Path("p.yaml").read_bytes()
    compiled(f"kubeflow.granularity={granularity}")
    assert Path("p.yaml").read_bytes() == first
    assert str(workplace).encode() not in first
    assert b"{{SPAN" not in first
    read = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    assert read.schema_version == "2.1.0"
    for executor in spec["deploymentSpec"]["executors"].values():
        assert set(executor) == {"container"}
        assert executor["container"]["image"] == "registry.example.org/python-kelp:1"
        assert "pip install" not in " ".join(executor["container"]["command"])
    default = spec["root"]["inputDefinitions"]["parameters"]["files"]["defaultValue"]
    assert json.loads(default) == {"demo.yaml": CONFIG}


def test_one_task_a_run(workplace: Path) -> None:
    spec, platform = compiled("seed=5")
    (task,) = spec["root"]["dag"]["tasks"].values()
    words = task["inputs"]["parameters"]["command"]["runtimeValue"]["constant"]
    assert words == ["run", "CONFIG/demo.yaml", "seed=5"]
    assert task["retryPolicy"]["maxRetryCount"] == 2
    assert task["cachingOptions"] == {}
    assert platform["exec-run"]["pvcMount"][0]["mountPath"] == "/data/kelp"
    assert platform["exec-run"]["secretAsEnv"][0]["secretName"] == "database"


def test_one_task_a_node_with_the_edges_and_resources_of_its_own(workplace: Path) -> None:
    spec, platform = compiled("kubeflow.granularity=node", "seed=5")
    nodes = spec["components"]["comp-nodes"]["dag"]["tasks"]
    assert {name: task.get("dependentTasks", []) for name, task in nodes.items()} == {
        "example-gen": [],
        "trainer": ["example-gen"],
        "compressor-int8": ["example-gen", "trainer"],
    }
    trainer = nodes["trainer"]
    words = trainer["inputs"]["parameters"]["command"]["runtimeValue"]["constant"]
    assert words[:6] == ["node", "run", "CONFIG/demo.yaml", "Trainer", "--run-id", "RUN_ID"]
    assert words[6:] == ["kubeflow.granularity=node", "seed=5"]
    run_id = trainer["inputs"]["parameters"]["run_id"]["runtimeValue"]["constant"]
    assert run_id == "{{$.pipeline_job_uuid}}"
    assert all(task["cachingOptions"] == {} for task in nodes.values())
    assert trainer["retryPolicy"]["maxRetryCount"] == 1
    executors = spec["deploymentSpec"]["executors"]
    asked = executors["exec-trainer"]["container"]["resources"]
    assert asked["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert asked["resourceMemoryLimit"] == "16Gi"
    assert platform["exec-trainer"]["activeDeadlineSeconds"] == "7200"
    assert platform["exec-trainer"]["nodeSelector"]["labels"] == {"pool": "gpus"}
    asked = executors["exec-compressor-int8"]["container"]["resources"]
    assert asked["accelerator"]["resourceType"] == "google.com/tpu"
    assert asked["resourceMemoryLimit"] == "4Gi"


def test_the_last_task_comes_after_all_nodes_whether_they_succeed_or_not(workplace: Path) -> None:
    """Kubeflow would hook it to each of several tasks: it comes after the one that has them."""
    spec, _ = compiled("kubeflow.granularity=node")
    assert set(spec["root"]["dag"]["tasks"]) == {"nodes", "finish"}
    finish = spec["root"]["dag"]["tasks"]["finish"]
    assert finish["dependentTasks"] == ["nodes"]
    assert finish["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}


def test_a_bucket_needs_a_server_and_takes_the_paths_in(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = (
        "kubeflow.storage={kind: bucket, root: 's3://models/kelp/'}",
        "tracking.enabled=false",
    )
    node = ("kubeflow.granularity=node", *bucket)
    assert cli.main(["kubeflow", "compile", "demo.yaml", "--out", "p.yaml", *node]) == 2
    assert "SQLite is a file" in capsys.readouterr().err
    assert not Path("p.yaml").exists()
    spec, _ = compiled(*node, "metadata=postgresql://kelp@db/kelp")
    task = spec["components"]["comp-nodes"]["dag"]["tasks"]["trainer"]
    words = task["inputs"]["parameters"]["command"]["runtimeValue"]["constant"]
    assert 'runs="s3://models/kelp/runs"' in words
    assert task["inputs"]["parameters"]["folder"]["runtimeValue"]["constant"] == ""


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("kubeflow.nodes={Trainr: {cpu: 4}}", "did you mean 'Trainer'?"),
        ("kubeflow.granularity=nodes", "did you mean 'node'?"),
        ("kubeflow.resources.memory=much", "memory"),
        ("kubeflow.storage={kind: bucket, root: /mnt/kelp}", "s3://BUCKET/KEY"),
        ("kubeflow.storage={kind: bucket, root: 's3://me:hunter2@b/k'}", "holds no credentials"),
        (f"card.limits={'x' * 100_000}", "too large to travel"),
    ],
)
def test_what_is_wrong_is_reported_in_a_few_lines(
    workplace: Path, capsys: pytest.CaptureFixture[str], override: str, reason: str
) -> None:
    if override.startswith("card"):
        Path("demo.yaml").write_text(CONFIG + "#" * 100_000)
    node = ("kubeflow.granularity=node", override)
    assert cli.main(["kubeflow", "compile", "demo.yaml", "--out", "p.yaml", *node]) == 2
    err = capsys.readouterr().err
    assert reason in err
    assert "hunter2" not in err
    assert len(err.splitlines()) <= 10
    assert not Path("p.yaml").exists()


def test_without_the_sdk_it_says_what_to_install(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "kfp", None)
    assert cli.main(["kubeflow", "compile", "demo.yaml", "--out", "p.yaml"]) == 1
    assert "pip install 'kelp-mlops[kubeflow]'" in capsys.readouterr().err


@given(st.dictionaries(st.text(), st.text(alphabet='{}\\" a\n')))
def test_no_template_engine_finds_braces_in_what_travels(files: dict[str, str]) -> None:
    text = to_text(files)
    assert json.loads(text) == files
    assert "{{" not in text
    assert "}}" not in text


def test_names_of_tasks() -> None:
    assert task_name("ExampleGen") == "example-gen"
    assert task_name("Compressor.tflite_int8") == "compressor-tflite-int8"
