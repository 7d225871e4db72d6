"""The compiled pipeline, run by Kubeflow's own SubprocessRunner: each task a process of its own.

One task a run is the local runner inside a task; one task a node has to give the same figures,
although one of its tasks is killed and tried again, as Kubeflow does by the task's retry policy.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Workplace, make_workplace
from tests.fixtures.forked import fork_server

KILLED = "Trainer"
FEATURES = (
    "{dep_hour: {type: cyclic, period: 24}, temp: {type: numeric}, "
    "origin_delay: {type: numeric, missing_indicator: true}, carrier: {type: categorical}}"
)
SMALL = (
    f"features={FEATURES}",
    "network.units=[8]",
    "network.members=1",
    "training.epochs=1",
    "training.teacher=null",
    "variants={}",
    "tracking.enabled=false",
    "evaluation.stress={}",
    "evaluation.slices=[]",
    "evaluation.fairness.sensitive=[]",
    "evaluation.found_slices.enabled=false",
    "evaluation.importance.repeats=2",
    "evaluation.resamples=100",
    "evaluation.baselines.enabled=false",
    "evaluation.bounds.roc_auc.min=0.4",
)
# Kubeflow's SDK keeps the runner in a global of its process.
RUN = """
import sys
from kfp import components, local
from kfp.local import status, subprocess_task_handler as handler

once = handler.SubprocessTaskHandler.run
def tried_again(self):
    ended = once(self)
    return once(self) if ended == status.Status.FAILURE else ended
handler.SubprocessTaskHandler.run = tried_again
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2])
components.load_component_from_file(sys.argv[1])()
"""


class Killer(threading.Thread):
    """Kills the first process that runs a node, once the node is at work."""

    def __init__(self, folder: Path, node: str) -> None:
        super().__init__(daemon=True)
        self.folder, self.node = folder, node
        self.killed: int | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set() and self.killed is None:
            at_work = [*self.folder.glob(f"runs/flights/*/logs/{self.node}.log")]
            if at_work and at_work[0].stat().st_size:
                self._kill()
            time.sleep(0.05)

    def _kill(self) -> None:
        for found in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = found.read_bytes().decode(errors="replace").split("\0")
                inside = (found.parent / "cwd").resolve() == self.folder.resolve()
            except OSError:
                continue
            if inside and words[2:4] == ["node", "run"] and self.node in words:
                self.killed = int(found.parent.name)
                os.kill(self.killed, signal.SIGKILL)
                return


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, shrunk_flights: Path) -> dict[str, Workplace]:
    """A workplace for each granularity, after its pipeline has run."""
    made = {}
    for granularity in ("run", "node"):
        folder = tmp_path_factory.mktemp(granularity)
        workplace = make_workplace(folder, shrunk_flights)
        killer = Killer(folder, KILLED)
        if granularity == "node":
            killer.start()
        done = run_pipeline(workplace, granularity)
        killer.ended.set()
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        assert (killer.killed is not None) == (granularity == "node")
        (folder / "printed.txt").write_text(done.stdout)
        made[granularity] = workplace
    return made


def run_pipeline(workplace: Workplace, granularity: str) -> subprocess.CompletedProcess[str]:
    place = f"{{kind: pvc, claim: kelp, path: {json.dumps(str(workplace.folder))}}}"
    keys = (f"kubeflow.granularity={granularity}", f"kubeflow.storage={place}")
    workplace.printed(
        *("kubeflow", "compile", "configs/flights.yaml", "--out", "p.yaml"),
        *(*SMALL, *keys, "kubeflow.image=registry.example.org/python-kelp:1"),
    )
    scratch = workplace.folder / "tmp"
    scratch.mkdir()
    return subprocess.run(
        [write_image(workplace.folder / "image"), "-c", RUN, "p.yaml", workplace.folder / "kfp"],
        cwd=workplace.folder,
        env={**workplace.environment(), "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def write_image(folder: Path) -> Path:
    """Gives a Python with the installed packages, and with a `kelp` that does not import them."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "lib").symlink_to(Path(sys.prefix, "lib"))
    shutil.copy(Path(sys.prefix, "pyvenv.cfg"), folder)
    fork_server().write_stand_in(folder / "bin" / "kelp")
    return folder / "bin" / "python"


def test_one_task_a_node_gives_the_local_runs_figures(results: dict[str, Workplace]) -> None:
    local, nodes = results["run"].summary, results["node"].summary
    assert nodes["status"] == local["status"] == "succeeded"
    assert nodes["digests"] == local["digests"]
    assert nodes["rows"] == local["rows"]
    assert nodes["candidate"]["metrics"] == pytest.approx(local["candidate"]["metrics"], abs=1e-6)
    assert nodes["intervals"] == local["intervals"]
    assert nodes["gates"] == local["gates"]
    assert (results["node"].latest / "report.html").is_file()
    assert (results["node"].folder / "serving_models/flights/1/saved_model.pb").is_file()


def test_every_node_was_a_task_and_the_killed_one_was_tried_again(
    results: dict[str, Workplace],
) -> None:
    workplace = results["node"]
    spec: dict[str, Any] = next(yaml.safe_load_all((workplace.folder / "p.yaml").read_text()))
    tasks = spec["components"]["comp-nodes"]["dag"]["tasks"]
    local = set(results["run"].summary["seconds"]) - {"Setup", "Baseline"}
    assert {task["taskInfo"]["name"] for task in tasks.values()} == local
    printed = (workplace.folder / "printed.txt").read_text()
    assert printed.count("KFP Executor") > len(tasks)
    assert len(workplace.runs) == 2  # one run, and `latest`: the second try went on with it
