"""Data, runs and models in a bucket: nodes work on local copies and leave whole folders there."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from contracts.storage import filesystem
from contracts.storage.staging import staging_folder
from pipelines import cli
from pipelines.execution import execute
from pipelines.execution.remote_root import RemoteRoot
from pipelines.execution.state import RunState
from tests.fixtures.object_store import ObjectStore
from tests.fixtures.small_problem import write_problem


class Remote:
    """A small problem of which nothing but the config is on this machine."""

    def __init__(self, folder: Path, store: ObjectStore, bucket: str) -> None:
        self.config = write_problem(folder)
        self.store, self.bucket = store, bucket
        content = (folder / "rows.csv").read_bytes()
        store.client().put_object(Bucket=bucket, Key="data/rows.csv", Body=content)
        (folder / "rows.csv").unlink()
        text = self.config.read_text()
        text = text.replace(f"{folder}/rows.csv", f"s3://{bucket}/data")
        self.config.write_text(text.replace(f"{folder}/runs", f"s3://{bucket}/runs"))

    def node(self, name: str, run_id: str = "one") -> int:
        return cli.main(["node", "run", str(self.config), name, "--run-id", run_id])

    def json(self, key: str) -> Any:
        return json.loads(self.store.content(self.bucket, key))

    def keys(self, below: str) -> list[str]:
        keys = self.store.keys(self.bucket)
        return [key for key in keys if key.startswith(below) and not key.endswith("/")]


@pytest.fixture
def remote(tmp_path: Path, object_store: ObjectStore, bucket: str) -> Remote:
    return Remote(tmp_path, object_store, bucket)


def test_another_machine_goes_on_with_a_run(
    remote: Remote, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remote.node("ExampleGen") == 0, capfd.readouterr().err
    record = remote.json("runs/small/one/nodes/ExampleGen.json")
    (examples,) = record["outputs"]["examples"]
    assert examples == f"s3://{remote.bucket}/runs/small/artifacts/ExampleGen/examples/1"
    assert any(key.endswith("_KELP_COMPLETE.json") for key in remote.keys("runs/small/artifacts"))

    shutil.rmtree(staging_folder())
    assert remote.node("ExampleGen") == 0
    assert "done before in run one" in capfd.readouterr().out
    assert not (staging_folder() / "s3" / remote.bucket / "runs/small/artifacts").exists()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(execute, "_finish", killed)  # the work is done, and nothing recorded
        patch.setattr(RemoteRoot, "send", lambda *_: None)
        assert remote.node("StatisticsGen") == 130
    capfd.readouterr()
    assert remote.keys("runs/small/artifacts/StatisticsGen/statistics/2/_KELP")
    shutil.rmtree(staging_folder())

    keep = RunState.keep

    def lose_the_bucket(self: RunState, done: Any) -> None:
        keep(self, done)
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with monkeypatch.context() as patch:
        patch.setattr(RunState, "keep", lose_the_bucket)
        patch.setattr(filesystem, "_ATTEMPTS", 1)
        assert remote.node("StatisticsGen") == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "error: The bucket's server does not answer."
    assert len(lines) <= 10
    assert any(line.startswith("  resume:   kelp node run") for line in lines)
    assert lines[-1].startswith("  not sent:")
    assert remote.node("StatisticsGen") == 0, capfd.readouterr().err

    shutil.rmtree(staging_folder())
    assert remote.node("ExampleGen", "two") == 0
    assert remote.json("runs/small/two/nodes/ExampleGen.json")["cached"] is True
    assert cli.main(["node", "finish", str(remote.config), "--run-id", "one"]) == 1
    capfd.readouterr()
    summary = remote.json("runs/small/one/summary.json")
    assert summary["folders"]["examples"] == examples
    assert sum(summary["rows"].values()) == 90

    shutil.rmtree(staging_folder())
    for run in (str(remote.config), f"s3://{remote.bucket}/runs/small/one"):
        assert cli.main(["summary", run]) == 0
        assert "small" in capfd.readouterr().out
    assert cli.main(["report", f"s3://{remote.bucket}/runs/small"]) == 0
    capfd.readouterr()
    hidden = remote.store.secret.encode()
    for key in remote.keys(""):
        assert hidden not in remote.store.content(remote.bucket, key), key
    for path in staging_folder().rglob("*"):
        assert not path.is_file() or hidden not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("name", "value", "reported"),
    [
        ("AWS_SECRET_ACCESS_KEY", "this-is-not-the-secret", "credentials"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "does not answer"),
    ],
)
def test_a_bucket_that_cannot_be_used_stops_a_run_in_seconds(
    name: str,
    value: str,
    reported: str,
    remote: Remote,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    node = ("node", "run", str(remote.config), "ExampleGen", "--run-id", "one")
    for command in (("run", str(remote.config)), node):
        began = time.monotonic()
        assert cli.main(command) == 1
        assert time.monotonic() - began < 30
        lines = capfd.readouterr().err.splitlines()
        assert reported in lines[0]
        assert len(lines) <= 10
        assert lines[-1] == f"  resume:   kelp {' '.join(command)}"
        assert "this-is-not-the-secret" not in "".join(lines)
    assert not (staging_folder() / "s3" / remote.bucket / "runs/small/artifacts").exists()
