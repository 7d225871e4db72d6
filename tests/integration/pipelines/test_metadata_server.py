"""Metadata on a real PostgreSQL server: two nodes at once, a server that goes away, no password."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipelines import cli
from pipelines.execution.metadata import PASSWORD_VARIABLE, MetadataSpec, metadata_connection
from pipelines.execution.metadata_server import open_server
from pipelines.runs.lineage import known_artifacts
from tests.fixtures.postgresql import Server, wanted
from tests.fixtures.small_problem import write_problem
from tests.fixtures.sum_program import SumProgram

pytestmark = wanted


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.remove()


def test_two_nodes_at_once_in_a_database_that_neither_has_made(
    server: Server, tmp_path: Path
) -> None:
    program = SumProgram(tmp_path)

    def start(node: str) -> object:
        return program.start(
            "one",
            only=node,
            metadata=server.address("sums"),
            environment={PASSWORD_VARIABLE: server.password},
        )

    both = [start("Left"), start("Right")]
    ended = [program.outcome(process)["ended"] for process in both]
    assert ended == [{"Left": [False, 2]}, {"Right": [False, 3]}]
    assert program.outcome(start("Sum"))["ended"] == {"Sum": [False, 5]}
    assert not list(tmp_path.rglob("*.sqlite"))


def test_any_text_is_kept_and_rows_come_in_order(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, server.password)
    spec = MetadataSpec(url=server.address("texts"))
    store = open_server(metadata_connection(spec, tmp_path))
    kind = metadata_store_pb2.ArtifactType(name="Text")
    artifact = metadata_store_pb2.Artifact(type_id=store.put_artifact_type(kind), uri="a")
    text = json.dumps({"spec": json.dumps({"delimiter": "\t", "it's": "100 %", "ö": "\\"})})
    artifact.custom_properties["text"].string_value = text
    ids = store.put_artifacts([artifact, artifact])
    (kept, _) = store.get_artifacts_by_id(ids)
    assert kept.custom_properties["text"].string_value == text
    # What was changed last, PostgreSQL gives last.
    kept.uri = "b"
    store.put_artifacts([kept])
    assert [one.id for one in store.get_artifacts_by_id(ids)] == ids
    assert [one.id for one in store.get_artifacts_by_id(ids[::-1])] == ids[::-1]
    assert [one.id for one in store.get_artifacts()] == ids


def test_a_server_that_goes_away(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, server.password)
    config = write_problem(tmp_path)
    more = [f"metadata={{url: '{server.address('small')}', wait_s: 0.2}}", "--run-id", "one"]
    artifacts = tmp_path / "runs" / "small" / "artifacts"

    def run(node: str) -> tuple[int, list[str]]:
        status = cli.main(["node", "run", str(config), node, *more])
        error = capfd.readouterr().err
        # A process that has TensorFlow already may print its start-up lines before the error.
        lines = error[max(0, error.find("error: ")) :].splitlines() if status else []
        assert len(lines) <= 10
        return status, lines

    def does_not_answer(node: str, stop: Callable[[], None]) -> None:
        stop()
        status, lines = run(node)
        assert status == 1
        assert lines[0] == "error: The metadata store does not answer."
        assert server.address("small") in lines[1]
        assert any(f"kelp node run {config} {node}" in line for line in lines)
        assert not list(artifacts.glob(f"{node}/*/[0-9]*"))
        record = json.loads((tmp_path / f"runs/small/one/nodes/{node}.json").read_text())
        assert (record["status"], record["error"]) == ("failed", lines[: len(record["error"])])

    def stop_before_publishing() -> None:
        from pipelines.execution.nodes import NodeExecution

        publish = NodeExecution.publish

        def stopped(self: NodeExecution, output: bytes) -> object:
            server.stop()
            monkeypatch.setattr(NodeExecution, "publish", publish)
            return self.publish(output)

        monkeypatch.setattr(NodeExecution, "publish", stopped)

    does_not_answer("ExampleGen", stop_before_publishing)
    does_not_answer("ExampleGen", lambda: None)
    status = cli.main(["check", str(config), more[0]])
    printed = capfd.readouterr()
    assert status == 1
    assert "The metadata store does not answer." in printed.err
    assert cli.main(["run", str(config), more[0]]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert "error: The metadata store does not answer." in lines
    assert lines[-1].startswith(f"  resume:   kelp run {config} ")
    server.start()
    assert cli.main(["check", str(config), more[0]]) == 0
    assert server.address("small") in "".join(capfd.readouterr().out.split())
    assert run("ExampleGen")[0] == 0
    (made,) = map(str, artifacts.glob("ExampleGen/examples/*"))
    known = known_artifacts(tmp_path / "runs" / "small" / "one", [made])
    assert known == {made: {"id": 1, "type": "Examples"}}

    monkeypatch.setenv(PASSWORD_VARIABLE, f"not {server.password}")
    status, lines = run("StatisticsGen")
    assert status == 1
    assert any("password authentication failed" in line for line in lines)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 10
    secret = server.password.split()[-1].encode()
    assert not [path for path in kept if secret in path.read_bytes()]


def test_a_server_that_was_restarted_during_a_node_costs_nothing(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pipelines.execution.nodes import NodeExecution

    publish = NodeExecution.publish

    def restarted(self: NodeExecution, output: bytes) -> object:
        server.stop()
        server.start()
        return publish(self, output)

    monkeypatch.setattr(NodeExecution, "publish", restarted)
    monkeypatch.setenv(PASSWORD_VARIABLE, server.password)
    config = write_problem(tmp_path)
    address = f"metadata={server.address('restarted')}"
    assert cli.main(["node", "run", str(config), "ExampleGen", address, "--run-id", "one"]) == 0
