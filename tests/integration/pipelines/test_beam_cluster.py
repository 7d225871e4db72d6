"""Nodes whose passes over all rows Beam runs by a job server, as on Flink.

The job server is Beam's own in Python, started in the place of Java: what it gets is what Flink's
gets, and it sends the work back to workers as Flink's does. Flink's own is used too where
`kelp beam fetch flink` has put it.
"""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from _thread import interrupt_main
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from pydantic import TypeAdapter
from tensorflow_metadata.proto.v0 import statistics_pb2

from contracts.tfrecord import read_records
from pipelines import cli
from pipelines.beam import jars
from pipelines.beam.options import beam_args
from pipelines.beam.spec import BeamSpec
from tests.fixtures.forked import fork_server
from tests.fixtures.job_server_jar import write_jar
from tests.fixtures.small_problem import write_problem

FLINK = Path(__file__).parents[3] / jars.jar_path("flink", "1.20")
# Stands for Java, by a Python that has imported Beam.
_JAVA = """\
#!/bin/sh
if [ "$1" = -version ]; then
  echo 'version "17"' >&2
  exit
fi
exec {python} -u -c "exec(open('{folder}/server.py').read())" "$@"
"""
# Understands the command line that Beam makes for Java.
_JOB_SERVER = """\
import os, sys, time
from pathlib import Path
Path({folder!r}, "pid").write_text(str(os.getpid()))
with Path({folder!r}, "starts").open("a") as starts:
    print(os.getpid(), file=starts)
from apache_beam.runners.portability.local_job_service import LocalJobServicer

port = int(sys.argv[sys.argv.index("--job-port") + 1])
masters = {{"--flink-master": "[local]", "--spark-master-url": "local[2]"}}
assert any(f"{{name}} {{master}}" in " ".join(sys.argv) for name, master in masters.items())
LocalJobServicer().start_grpc_server(port)
while True:
    time.sleep(1)
"""


@pytest.fixture
def job_server(tmp_path: Path) -> dict[str, str]:
    """A job server in Python, with a jar of which nothing but the version is read."""
    folder = tmp_path / "job server"
    folder.mkdir()
    (folder / "server.py").write_text(_JOB_SERVER.format(folder=str(folder)))
    launcher = folder / "java"
    launcher.write_text(_JAVA.format(python=fork_server().stand_in, folder=folder))
    launcher.chmod(0o755)
    jar = write_jar(folder / "server.jar", jars.beam_version())
    return {"java": str(launcher), "jar": str(jar)}


def _is_alive(folder: Path) -> bool:
    pid = int((folder / "pid").read_text())
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()


class Problem:
    """A small problem, of which each run has another id."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.config, self.capfd = write_problem(folder), capfd

    def run(self, node: str, run_id: str, *overrides: str) -> tuple[int, str]:
        command = ["node", "run", str(self.config), node, *overrides, "--run-id", run_id]
        status = cli.main(command)
        return status, self.capfd.readouterr().err

    def record(self, node: str, run_id: str, runs: str = "runs") -> dict[str, Any]:
        path = self.config.parent / runs / "small" / run_id / "nodes" / f"{node}.json"
        content: dict[str, Any] = json.loads(path.read_text())
        return content


def _rows(folder: str, scratch: Path) -> dict[str, list[bytes]]:
    """By split, the bytes of each row, sorted: the order of its features is the process's own."""
    rows: dict[str, list[bytes]] = {}
    for file in sorted(Path(folder).glob("Split-*/*.gz")):
        scratch.write_bytes(gzip.decompress(file.read_bytes()))
        rows.setdefault(file.parent.name, []).extend(
            bytes(sorted(row)) for row in read_records(scratch)
        )
    return rows


def _statistics(folder: str) -> dict[str, Any]:
    files = Path(folder).glob("Split-*/FeatureStats.pb")
    parse = statistics_pb2.DatasetFeatureStatisticsList.FromString
    return {file.parent.name: parse(file.read_bytes()) for file in files}


@pytest.mark.parametrize("server", ["in Python", "Flink's"])
def test_a_cluster_gives_what_the_process_gives(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], job_server: dict[str, str], server: str
) -> None:
    if server == "Flink's":
        if not FLINK.is_file():
            pytest.skip("Flink's job server is missing: kelp beam fetch flink")
        job_server = {"jar": str(FLINK)}
    problem = Problem(tmp_path, capfd)
    keys = f"beam={json.dumps({'runner': 'flink', 'job_server': job_server})}"
    elsewhere = f"runs={tmp_path / 'cluster'}"
    for node in ("ExampleGen", "StatisticsGen"):
        assert problem.run(node, "one")[0] == 0
        assert problem.run(node, "one", keys, elsewhere) == (0, "")
        assert not problem.record(node, "one", "cluster")["cached"]
    if server == "in Python":
        # One for each component, though ExampleGen runs several pipelines.
        assert len((tmp_path / "job server" / "starts").read_text().splitlines()) == 2
        assert not _is_alive(tmp_path / "job server")

    here, there = (
        problem.record("ExampleGen", "one"),
        problem.record("ExampleGen", "one", "cluster"),
    )
    rows = _rows(here["outputs"]["examples"][0], tmp_path / "rows")
    assert sum(map(len, rows.values())) == 90
    assert _rows(there["outputs"]["examples"][0], tmp_path / "rows") == rows
    here, there = (problem.record("StatisticsGen", "one", runs) for runs in ("runs", "cluster"))
    statistics = _statistics(here["outputs"]["statistics"][0])
    assert len(statistics) == 3
    assert _statistics(there["outputs"]["statistics"][0]) == statistics

    # Where Beam runs is no part of the cache's key, and what is cached needs no cluster.
    assert problem.run("ExampleGen", "two", "beam={runner: flink, master: '127.0.0.1:1'}")[0] == 0
    assert problem.record("ExampleGen", "two")["cached"]


@pytest.mark.parametrize(
    ("keys", "reported"),
    [
        ({"job_server": {"java": "no-such-java"}}, "needs Java"),
        ({"job_server": {"jar": "older.jar"}}, "received: Beam 2.50.0"),
        ({"master": "127.0.0.1:1", "job_server": {}}, "Flink's master does not answer"),
    ],
)
def test_what_is_missing_is_reported_before_anything_starts(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    job_server: dict[str, str],
    keys: dict[str, Any],
    reported: str,
) -> None:
    problem = Problem(tmp_path, capfd)
    if "jar" in keys["job_server"]:
        keys["job_server"]["jar"] = str(write_jar(tmp_path / "older.jar", "2.50.0"))
    beam = {"runner": "flink", **keys, "job_server": job_server | keys["job_server"]}
    began = time.monotonic()
    status, error = problem.run("ExampleGen", "one", f"beam={json.dumps(beam)}")
    assert time.monotonic() - began < 60
    assert status == 1
    lines = error.splitlines()
    assert len(lines) <= 10
    assert reported in error
    assert any(line.startswith(f"  resume:   kelp node run {problem.config}") for line in lines)
    assert not list((tmp_path / "runs" / "small" / "artifacts").glob("ExampleGen/examples/*"))


def _wait(_: int) -> None:
    time.sleep(600)


# Beam's worker loses the connections that it reads from.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("runner", ["flink", "spark"])
def test_an_interrupted_job_is_cancelled_with_its_job_server(
    tmp_path: Path, job_server: dict[str, str], runner: str
) -> None:
    spec = TypeAdapter(BeamSpec).validate_python({"runner": runner, "job_server": job_server})
    pipeline = beam.Pipeline(options=PipelineOptions(beam_args(spec)))
    _ = pipeline | beam.Create([1]) | beam.Map(_wait)
    result = pipeline.run()
    assert _is_alive(tmp_path / "job server")
    states: list[str] = []
    cancel = result.cancel

    def watched_cancel() -> None:
        cancel()
        states.append(result.state)

    result.cancel = watched_cancel
    threading.Timer(1.0, interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        result.wait_until_finish()
    assert states == ["CANCELLED"]
    assert not _is_alive(tmp_path / "job server")
