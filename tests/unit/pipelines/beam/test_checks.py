"""What is looked at before a run on a cluster."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from contracts.errors import EnvironmentProblem
from pipelines.beam import jars
from pipelines.beam.checks import beam_checks, require_beam
from pipelines.beam.spec import BeamSpec
from tests.fixtures.job_server_jar import write_jar

OVERVIEW = {"flink-version": "1.20.5", "taskmanagers": 2, "slots-total": 2, "slots-available": 1}
EXTERNAL = {"type": "DOCKER", "image": "kelp:1"}


def spec_of(**keys: Any) -> Any:
    return TypeAdapter(BeamSpec).validate_python(keys)


def look(runs: str = "runs", **keys: Any) -> dict[str, str]:
    """What each check found, or its error in one text."""
    found = {}
    for name, check in beam_checks(spec_of(**keys), runs):
        try:
            found[name] = check()
        except EnvironmentProblem as error:
            found[name] = "\n".join(error.lines())
    return found


@pytest.fixture
def java(tmp_path: Path) -> Callable[[str], str]:
    def make(version: str) -> str:
        launcher = tmp_path / "java"
        launcher.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025' >&2\n")
        launcher.chmod(0o755)
        return str(launcher)

    return make


@contextmanager
def master(content: Any, status: int = 200) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            """Prints nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def test_the_local_runner_needs_nothing() -> None:
    assert look() == {}
    require_beam(spec_of(), "runs")


@pytest.mark.parametrize(
    ("version", "reported"),
    [("17.0.15", "Java 17"), ("11", "Java 11"), ("1.8.0_402", "received: Java 8")],
)
def test_java(java: Callable[[str], str], version: str, reported: str) -> None:
    server = {"java": java(version)}
    assert reported in look(runner="flink", job_server=server)["java"]


def test_missing_java_names_the_package() -> None:
    found = look(runner="flink", job_server={"java": "no-such-java"})["java"]
    assert "apt-get install openjdk" in found
    with pytest.raises(EnvironmentProblem, match="needs Java"):
        require_beam(spec_of(runner="flink", job_server={"java": "no-such-java"}), "runs")


def test_a_missing_jar_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        "kelp beam fetch flink --version 2.0" in look(runner="flink", version="2.0")["job server"]
    )
    found = look(runner="spark")["job server"]
    assert "kelp beam fetch spark" in found
    assert f"beam-runners-spark-3-job-server-{jars.beam_version()}.jar" in found


def test_the_version_of_the_jar(tmp_path: Path) -> None:
    right = write_jar(tmp_path / "right.jar", jars.beam_version())
    other = write_jar(tmp_path / "other.jar", "2.50.0")
    nothing = write_jar(tmp_path / "nothing.jar", None)
    damaged = tmp_path / "damaged.jar"
    damaged.write_bytes(right.read_bytes()[:40])
    wrong_flink = write_jar(
        tmp_path / "beam-runners-flink-1.19-job-server-x.jar", jars.beam_version()
    )

    def found(jar: Path, **more: Any) -> str:
        return look(runner="flink", job_server={"jar": str(jar), **more})["job server"]

    assert found(right) == f"right.jar: Beam {jars.beam_version()}"
    assert "received: Beam 2.50.0" in found(other)
    assert "without Beam's SDK" in found(nothing)
    assert "damaged" in found(damaged)
    assert "received: Flink 1.19" in found(wrong_flink)
    digest = hashlib.sha256(right.read_bytes()).hexdigest()
    assert found(right, sha256=digest) == found(right)
    assert f"received: {digest}" in found(right, sha256="0" * 64)


def test_the_master_answers() -> None:
    keys: dict[str, Any] = {"runner": "flink", "environment": EXTERNAL}
    with master(OVERVIEW) as address:
        found = look(**keys, master=address, parallelism=2)["flink"]
        assert found == "Flink 1.20.5, 2 task managers, 1 of 2 slots free"
        many = look(**keys, master=address, parallelism=3)["flink"]
        assert "received: 2 slots on 2 task managers" in many
        other = look(**keys, master=address, version="1.19")["flink"]
        assert "set beam.version to 1.20" in other


def test_no_master_answers() -> None:
    address = closed_port()
    found = look(runner="flink", master=address)["flink"]
    assert "does not answer" in found
    assert "Connection refused" in found
    found = look(runner="spark", master=f"spark://{address}")["spark"]
    assert f"Nothing answers at {address}" in found
    with master({"name": "something else"}) as other:
        assert "is not Flink" in look(runner="flink", master=other)["flink"]
    with master({}, status=503) as other:
        assert "does not answer" in look(runner="flink", master=other)["flink"]


def test_workers_and_job_servers_elsewhere() -> None:
    address = closed_port()
    found = look(runner="flink", job_server={"endpoint": address})
    assert list(found) == ["job server"]
    assert "beam.job_server.endpoint" in found["job server"]
    found = look(runner="flink", environment={"type": "EXTERNAL", "address": address})
    assert "beam.environment.address" in found["workers"]
    found = look(runner="flink", environment={"type": "PROCESS", "command": "/no/such"})
    assert "no such command" in found["workers"]


def test_local_copies_of_a_bucket_are_for_a_cluster_on_this_machine() -> None:
    keys = {"runner": "spark", "environment": EXTERNAL, "job_server": {"endpoint": "127.0.0.1:1"}}
    found = look("s3://b/runs", **keys, master="spark://127.0.0.1:1")
    assert "runs" not in found
    specs = beam_checks(spec_of(**keys, master="spark://spark.example:7077"), "s3://b/runs")
    with pytest.raises(EnvironmentProblem, match="cannot see what a node works on"):
        dict(specs)["runs"]()
    assert "runs" not in dict(beam_checks(spec_of(**keys, master="spark://h:7077"), "/mnt/runs"))


def test_dataflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"project": "p", "region": "r", "temp_location": "gs://b/t", "image": "i"}
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    found = look(runner="dataflow", **keys)
    assert "cannot run on Dataflow yet" in found["dataflow"]
    assert "no such file" in found["credentials"]
    assert "gs://BUCKET/FOLDER" in found["storage"]
    (tmp_path / "none.json").write_text("{}")
    found = look("gs://b/runs", runner="dataflow", **keys)
    assert found["credentials"] == "GOOGLE_APPLICATION_CREDENTIALS: there"
    assert found["storage"] == "gs://b/runs, gs://b/t"


MAVEN = """#!/bin/sh
for argument in "$@"; do
  case "$argument" in -DoutputDirectory=*) folder="${argument#*=}";; esac
  case "$argument" in -Dartifact=*) artifact="${argument#*=}";; esac
done
%s
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()

    def make(does: str) -> None:
        program = tmp_path / "bin" / "mvn"
        program.write_text(MAVEN % does)
        program.chmod(0o755)

    return make


def test_a_job_server_is_fetched_once(tmp_path: Path, maven: Callable[[str], None]) -> None:
    maven('echo "$artifact" > "$folder/some-name.jar"')
    jar = jars.fetch("flink", "1.20", tmp_path / "jars")
    version = jars.beam_version()
    assert jar.name == f"beam-runners-flink-1.20-job-server-{version}.jar"
    wanted = f"org.apache.beam:beam-runners-flink-1.20-job-server:{version}"
    assert jar.read_text().strip() == wanted
    maven("exit 1")
    assert jars.fetch("flink", "1.20", tmp_path / "jars") == jar


def test_what_maven_cannot_get_leaves_nothing(tmp_path: Path, maven: Callable[[str], None]) -> None:
    maven("echo '[ERROR] Failed: Could not find artifact x in central (https://h/m)'; exit 1")
    with pytest.raises(EnvironmentProblem) as caught:
        jars.fetch("spark", "3", tmp_path / "jars")
    assert caught.value.received == "Could not find artifact x in central"
    assert list((tmp_path / "jars").iterdir()) == []


def test_without_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="no Maven") as caught:
        jars.fetch("flink", "1.20", tmp_path / "jars")
    assert "apt-get install maven" in caught.value.fix
