"""The root of a pipeline in a bucket: metadata and runs go there and come from there."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from contracts.errors import EnvironmentProblem
from contracts.storage.staging import local_place
from pipelines.execution.remote_root import RemoteRoot, local_runs, run_by_address
from tests.fixtures.object_store import ObjectStore


@pytest.fixture
def address(bucket: str) -> str:
    return f"s3://{bucket}/runs/small"


@pytest.fixture
def folder(address: str) -> Path:
    """The local copy of the root."""
    folder = local_place(address)
    folder.mkdir(parents=True)
    return folder


def _write(folder: Path, value: int) -> None:
    with closing(sqlite3.connect(folder / "metadata.sqlite")) as store, store:
        store.execute("CREATE TABLE IF NOT EXISTS t (value INTEGER)")
        store.execute("INSERT INTO t VALUES (?)", (value,))


def _values(folder: Path) -> list[int]:
    with closing(sqlite3.connect(folder / "metadata.sqlite")) as store:
        return [value for (value,) in store.execute("SELECT value FROM t")]


def test_a_machine_that_has_nothing_goes_on_with_the_metadata(folder: Path) -> None:
    root = RemoteRoot(folder)
    root.fetch_metadata()
    _write(folder, 1)
    root.send_metadata()
    _write(folder, 2)  # not sent: this machine goes on with it, the other does not know it
    root.fetch_metadata()
    assert _values(folder) == [1, 2]
    shutil.rmtree(folder)
    root.fetch_metadata()
    assert _values(folder) == [1]


def test_two_machines_at_once_are_kept_apart(
    folder: Path, bucket: str, object_store: ObjectStore
) -> None:
    root = RemoteRoot(folder)
    _write(folder, 1)
    root.send_metadata()
    key = "runs/small/metadata.sqlite"
    object_store.client().put_object(Bucket=bucket, Key=key, Body=b"of another machine")
    with pytest.raises(EnvironmentProblem, match="Another machine") as caught:
        root.send_metadata()
    assert len(caught.value.lines()) <= 10
    assert object_store.content(bucket, key) == b"of another machine"
    (line,) = root.try_to_send(folder / "one")
    assert line.startswith("  not sent: Another machine")


def test_a_run_is_sent_once_and_fetched_elsewhere(
    folder: Path, address: str, bucket: str, object_store: ObjectStore
) -> None:
    root, run = RemoteRoot(folder), folder / "one"
    (run / "logs").mkdir(parents=True)
    (run / "logs" / "Trainer.log").write_text("first")
    root.send_run(run)
    (run / "logs" / "Trainer.log").write_text("second try")
    (run / "summary.json").write_text("{}")
    root.send_run(run)
    key = "runs/small/one/summary.json"
    written = object_store.client().head_object(Bucket=bucket, Key=key)["LastModified"]
    root.send_run(run)
    assert object_store.client().head_object(Bucket=bucket, Key=key)["LastModified"] == written
    for find in (
        lambda: run_by_address(address),
        lambda: run_by_address(f"{address}/one"),
        lambda: local_runs(f"s3://{bucket}/runs", "small") / "small" / "latest",
        lambda: local_runs(f"s3://{bucket}/runs", "small", "one") / "small" / "one",
    ):
        shutil.rmtree(folder)
        found = find()
        assert found is not None
        assert (found / "logs" / "Trainer.log").read_text() == "second try"
        assert (found / "summary.json").is_file()


def test_a_run_that_is_not_there(address: str, bucket: str) -> None:
    assert run_by_address(address) is None
    assert not (local_runs(f"s3://{bucket}/runs", "small") / "small").exists()


def test_a_local_root_needs_nothing(tmp_path: Path) -> None:
    root = RemoteRoot(tmp_path)
    root.fetch_metadata()
    root.send(tmp_path / "one")
    assert local_runs(str(tmp_path), "small") == tmp_path
