"""TFX components in processes of their own: published, cached, discarded, whatever the jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
_COMPONENTS = """
from pathlib import Path
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from contracts.errors import DataError

@component
def Number(number: OutputArtifact[standard_artifacts.Model], value: Parameter[int]) -> None:
    number.set_int_custom_property("value", value)
    (Path(number.uri) / "number").write_text(str(value))

@component
def Sum(
    left: InputArtifact[standard_artifacts.Model],
    right: InputArtifact[standard_artifacts.Model],
    number: OutputArtifact[standard_artifacts.Model],
    largest: Parameter[int],
) -> None:
    value = sum(one.get_int_custom_property("value") for one in (left, right))
    (Path(number.uri) / "half done").write_text("")
    if value > largest:
        raise DataError(f"{value} is too much", where="Sum", fix="bring less")
    number.set_int_custom_property("value", value)
    print("the sum is", value)
"""
_PROGRAM = """
import json, sys
from pathlib import Path
from rich.console import Console
from tfx.orchestration.pipeline import Pipeline
from pipelines.execution.compile import compile_nodes
from pipelines.execution.execute import Execution, NodeFailed
from pipelines.execution.interruption import interruptible
from pipelines.execution.metadata import MetadataSpec, metadata_connection
from pipelines.execution.nodes import NodeStore
from pipelines.execution.progress import Progress
from pipelines.execution.schedule import Step
import sums

folder, run, jobs, largest = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
left = sums.Number(value=2).with_id("Left")
right = sums.Number(value=3).with_id("Right")
both = sums.Sum(left=left.outputs["number"], right=right.outputs["number"], largest=largest)
pipeline = Pipeline(
    "sums", str(folder / "artifacts"), components=[left, right, both], enable_cache=True)
compiled = compile_nodes(pipeline, run)
nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in compiled.nodes}
ended = {}
execution = Execution(
    NodeStore(compiled, metadata_connection(MetadataSpec(), folder)), nodes,
    [Step(name, frozenset(node.upstream_nodes)) for name, node in nodes.items()],
    lambda name: folder / run / f"{name}.log", Progress(Console(file=sys.stderr)),
    lambda done: ended.__setitem__(done.name, [
        done.result.cached, done.result.outputs["number"][0].get_int_custom_property("value")]))
error = None
with interruptible() as interruption:
    try:
        execution.run(jobs, lambda: True, interruption)
    except NodeFailed as failure:
        error = [type(failure.__cause__).__name__, *failure.__cause__.lines()]
print(json.dumps({"ended": ended, "at": execution.stopped_at, "error": error}))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "sums.py").write_text(_COMPONENTS)
    (tmp_path / "program.py").write_text(_PROGRAM)
    return tmp_path / "program.py"


def _run(program: Path, run: str, jobs: int, largest: int = 10) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(program), str(program.parent), run, str(jobs), str(largest)],
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{program.parent}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def test_components_run_are_cached_and_fail_as_in_one_process(program: Path) -> None:
    folder = program.parent
    first = _run(program, "first", jobs=2)
    assert first == {
        "ended": {"Left": [False, 2], "Right": [False, 3], "Sum": [False, 5]},
        "at": [],
        "error": None,
    }
    assert "the sum is 5" in (folder / "first" / "Sum.log").read_text()
    outputs = set((folder / "artifacts").glob("*/number/*"))
    assert len(outputs) == 3

    failed = _run(program, "failed", jobs=1, largest=4)
    assert failed["ended"] == {"Left": [True, 2], "Right": [True, 3]}
    assert failed["at"] == ["Sum"]
    assert failed["error"][:2] == ["DataError", "error: 5 is too much"]
    assert set((folder / "artifacts").glob("*/number/*")) == outputs
    assert not list((folder / "artifacts").glob("*/.system/executor_execution/*/.temp/*"))
