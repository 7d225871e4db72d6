"""Nodes of one run, each begun on its own: refused, done once, killed, begun again, finished."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipelines import cli
from tests.fixtures.forked import fork_server
from tests.fixtures.small_problem import write_problem

# Dies where its work is done and nothing of it is recorded yet.
_KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.config.problem import load_config
from pipelines.execution import execute
from pipelines.node import run_node

execute._finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
run_node(load_config(Path(sys.argv[1])), "StatisticsGen", "one")
"""


class Run:
    """The run `one` of a small problem."""

    def __init__(self, config: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.config, self.capfd = config, capfd
        self.root = config.parent / "runs" / "small"

    def node(self, name: str, *overrides: str) -> tuple[int, str, str]:
        status = cli.main(["node", "run", str(self.config), name, *overrides, "--run-id", "one"])
        printed = self.capfd.readouterr()
        assert len(printed.err.splitlines()) <= 10
        return status, printed.out, printed.err

    def record(self, name: str) -> dict[str, Any]:
        path = self.root / "one" / "nodes" / f"{name}.json"
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    def kill(self) -> None:
        words = [str(self.config)]
        killed = fork_server().start(words, self.root, os.environ, code=_KILLED).wait(120)
        assert killed.returncode == -9, killed.stderr


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    return Run(write_problem(tmp_path), capfd)


def test_nodes_of_a_run_one_by_one(run: Run) -> None:
    status, _, error = run.node("StatisticsGen")
    assert status == 1
    assert "StatisticsGen needs ExampleGen" in error
    assert f"resume:   kelp node run {run.config} StatisticsGen --run-id one" in error
    assert run.record("StatisticsGen")["status"] == "failed"

    status, out, _ = run.node("ExampleGen")
    assert status == 0
    assert out.startswith("ExampleGen ")
    assert len(out.splitlines()) == 1
    record = run.record("ExampleGen")
    assert (record["status"], record["attempt"], record["cached"]) == ("succeeded", 1, False)
    assert Path(record["outputs"]["examples"][0]).is_dir()

    assert run.node("ExampleGen")[:2] == (0, "ExampleGen: done before in run one\n")
    assert run.record("ExampleGen") == record

    status, _, error = run.node("ExampleGen", "seed=1")
    assert status == 2
    assert "begun with another config" in error
    assert cli.main(["node", "run", str(run.config), "Baseline", "--run-id", "one"]) == 2
    assert cli.main(["node", "run", str(run.config), "ExampleGen", "--run-id", "../x"]) == 2
    run.capfd.readouterr()

    run.kill()
    assert run.record("StatisticsGen")["status"] == "running"
    (half,) = (run.root / "artifacts" / "StatisticsGen" / "statistics").iterdir()
    (half / "left behind").touch()
    status = cli.main(["node", "finish", str(run.config), "--run-id", "one"])
    printed = run.capfd.readouterr()
    assert status == 1
    assert printed.err.startswith("error: StatisticsGen was killed in this run.")
    summary = json.loads((run.root / "latest" / "summary.json").read_text())
    assert (summary["status"], summary["stopped_at"]) == ("failed", "StatisticsGen")
    assert sum(summary["rows"].values()) == 90
    assert summary["seconds"]["ExampleGen"] == record["seconds"]
    assert "StatisticsGen was killed" in (run.root / "one" / "report.html").read_text()

    assert run.node("StatisticsGen")[0] == 0
    assert run.record("StatisticsGen")["attempt"] == 3
    (whole,) = run.record("StatisticsGen")["outputs"]["statistics"]
    assert Path(whole).is_dir()
    assert not list(Path(whole).parent.glob("*/left behind"))
    assert not list((run.root / "artifacts").glob("*/.system/executor_execution/*/.temp/*"))


def test_artifacts_of_another_metadata_store_are_not_touched(run: Run) -> None:
    assert run.node("ExampleGen")[0] == 0
    (run.root / "metadata.sqlite").unlink()
    for _ in range(2):
        status, _, error = run.node("ExampleGen")
        assert status == 1
        assert "artifacts has those of another metadata store" in error
        assert "metadata.sqlite has not given" in error
        assert list((run.root / "artifacts/ExampleGen/examples/1").glob("Split-train/*"))


def test_a_run_without_nodes_cannot_be_finished(run: Run) -> None:
    assert cli.main(["node", "finish", str(run.config), "--run-id", "none"]) == 2
    assert "there is no run 'none'" in run.capfd.readouterr().err
    assert not (run.root / "none").exists()


def test_the_nodes_are_listed_with_what_each_needs(run: Run) -> None:
    assert cli.main(["node", "list", str(run.config), "--json"]) == 0
    nodes = {one["node"]: one["needs"] for one in json.loads(run.capfd.readouterr().out)}
    assert list(nodes)[:2] == ["ExampleGen", "StatisticsGen"]
    assert nodes["ExampleGen"] == []
    assert "Baseline" not in nodes
    assert nodes["Predictions"] == ["DataGate", "ExampleGen", "Trainer"]
    assert all(set(needs) < set(nodes) for needs in nodes.values())
    assert cli.main(["node", "list", str(run.config)]) == 0
    assert "StatisticsGen     ExampleGen" in run.capfd.readouterr().out.splitlines()
