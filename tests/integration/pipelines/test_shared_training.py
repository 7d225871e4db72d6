"""`kelp node run CONFIG Trainer` on two machines: together, or until one is killed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tests.fixtures.forked import Running, fork_server
from tests.fixtures.machine_of_many import settings_of_machines
from tests.fixtures.small_problem import write_problem

_BEFORE = ("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataGate", "Transform")
_TRAINING = ("network.units=[4]", "training={epochs: 2, schedule: {warmup_epochs: 0}}")
_TIMEOUT_S = 240
# A chief that is in the middle of its training until it is killed.
_ENDLESS = """
import sys, time
from pathlib import Path

from models.training.fitting import EpochLog
from pipelines.cli import main

def wait(*_):
    Path("in training").touch()
    time.sleep(600)

EpochLog.on_epoch_end = wait
main(sys.argv[1:])
"""


class Machines:
    """Two machines that share the folder of a small problem."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, write_problem(folder)
        rows = [f"{row},{row * 37 % 401},red,{int(row * row % 7 < 3)}" for row in range(400)]
        (folder / "rows.csv").write_text("\n".join(["id,x,color,label", *rows, ""]))
        self.run = folder / "runs" / "small" / "one"
        self.artifacts = folder / "runs" / "small" / "artifacts" / "Trainer"

    def start(self, node: str, settings: str = "", code: str = "") -> Running:
        words = ("node", "run", str(self.config), node, *_TRAINING, "--run-id", "one")
        environment = {**os.environ, "TF_CONFIG": settings, "OMP_NUM_THREADS": "1"}
        return fork_server().start(words, self.folder, environment, code)

    def start_both(self, code: str = "") -> tuple[Running, Running]:
        chief, other = settings_of_machines(2)
        return self.start("Trainer", chief, code), self.start("Trainer", other)


def test_two_machines_train_what_the_chief_keeps(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    for node in _BEFORE:
        done = machines.start(node).wait(_TIMEOUT_S)
        assert done.returncode == 0, done.stderr

    chief, other = machines.start_both(_ENDLESS)
    deadline = time.monotonic() + _TIMEOUT_S
    while not (tmp_path / "in training").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed = time.monotonic()
    chief.kill()
    assert chief.wait(_TIMEOUT_S).returncode == -9
    ended = other.wait(_TIMEOUT_S)
    assert time.monotonic() - killed < 60
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert lines[0] == "error: The chief of the cluster has not finished Trainer."
    assert "received: it was killed" in ended.stderr
    assert len(lines) <= 10
    assert not list(machines.run.glob("nodes/Trainer.json.*"))
    record = json.loads((machines.run / "nodes/Trainer.json").read_text())
    assert record["status"] == "running"

    done = [machine.wait(_TIMEOUT_S) for machine in machines.start_both()]
    assert [one.returncode for one in done] == [0, 0], "\n".join(one.stderr for one in done)
    assert done[1].stdout == "Trainer: trained with the chief in run one\n"
    assert not list(machines.run.glob("nodes/*.work.json"))
    record = json.loads((machines.run / "nodes/Trainer.json").read_text())
    (run,) = record["outputs"]["model_run"]
    assert json.loads(Path(run, "training.json").read_text())["device"] == "2 machines, CPU each"
    kept = [path for path in machines.artifacts.glob("model*/*") if path.is_dir()]
    assert len(kept) == 2, kept
