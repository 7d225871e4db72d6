"""kelp check: data, label, packages and disk."""

from __future__ import annotations

import collections
import importlib.metadata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from contracts.errors import KelpError
from pipelines import installed_packages
from pipelines.commands.check import Checked, check, report
from pipelines.config.problem import load_config
from tests.fixtures.object_store import ObjectStore

CONFIG = """\
name: demo
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: data.parquet}
"""


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"x": [1.0, 2.0], "y": [0, 1], "z": ["a", "b"]}), "data.parquet")
    path = tmp_path / "demo.yaml"
    path.write_text(CONFIG)
    return path


def errors(config_file: Path, *overrides: str) -> dict[str, KelpError]:
    results = check(load_config(config_file, overrides))
    return {one.what: one.error for one in results if one.error is not None}


def test_all_is_well(config_file: Path) -> None:
    assert errors(config_file) == {}
    assert errors(config_file, "label={name: z, classes: [a, b]}") == {}
    assert errors(config_file, "task=regression") == {}


@pytest.mark.parametrize(
    ("overrides", "place", "reported"),
    [
        (["data.path=nope.parquet"], "files", "did you mean data.parquet?"),
        (["data.spans=3"], "files", "{SPAN}"),
        (["label.name=yy"], "columns", "'yy' does not exist"),
        (["features.z={type: numeric}"], "columns", "must be a number"),
        (["label={name: z, classes: [b, c]}"], "label", "a value that is no class"),
        (["label={name: z, classes: [A, b]}"], "label", "did you mean 'A'?"),
        (["data.schema=x.pbtxt"], "schema", "does not exist"),
        (["runs=demo.yaml/runs"], "runs", "is not a folder"),
        (["push.root=demo.yaml"], "push.root", "is not a folder"),
    ],
)
def test_what_is_wrong_is_named(
    config_file: Path, overrides: list[str], place: str, reported: str
) -> None:
    found = errors(config_file, *overrides)
    assert list(found) == [place]
    assert reported in str(found[place])


@pytest.mark.parametrize(
    ("labels", "reported"),
    [([1, 1], "one value only"), ([None, None], "no value"), ([0, 7], "a value that is no class")],
)
def test_label_values(config_file: Path, labels: list[int | None], reported: str) -> None:
    pq.write_table(pa.table({"x": [1.0, 2.0], "y": pa.array(labels, pa.int64())}), "data.parquet")
    assert reported in str(errors(config_file)["label"])


def test_label_with_very_many_values(config_file: Path) -> None:
    rows = range(3000)
    pq.write_table(pa.table({"x": [1.0] * 3000, "y": list(rows)}), "data.parquet")
    assert "too many values" in str(errors(config_file)["label"])
    assert errors(config_file, "task=regression") == {}


def test_a_file_cut_short(config_file: Path) -> None:
    path = Path("data.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    assert "data.parquet" in str(errors(config_file)["columns"])


def test_a_full_disk(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 9, 1))
    assert set(errors(config_file)) == {"runs", "push.root"}


def test_packages(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_packages.wrong_packages() == []
    wanted = ["click>=99", "no-such-thing==1", "pywin32; sys_platform == 'win32'", "click>=1"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: wanted)
    assert [one.name for one in installed_packages.wrong_packages()] == ["click", "no-such-thing"]
    assert "make setup" in errors(config_file)["packages"].fix


def test_an_unsupported_python(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 15, 0))
    assert "Python 3.15" in str(errors(config_file)["python"])


def test_the_report_stays_within_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    error = KelpError("wrong", where="there", expected="right", received="[wrong]", fix="repair")
    results = [Checked("files", "a [bold] path"), *[Checked("data", "wrong", error)] * 4]
    assert report(results, Console(width=80), Console(stderr=True)) == 1
    printed = capsys.readouterr()
    assert "a [bold] path" in printed.out
    lines = printed.err.splitlines()
    assert len(lines) <= 10
    assert lines[-1] == "... and 3 errors more"
    assert report(results[:1], Console(), Console(stderr=True)) == 0


def test_data_runs_and_models_in_a_bucket(
    config_file: Path, bucket: str, object_store: ObjectStore
) -> None:
    content = Path("data.parquet").read_bytes()
    object_store.client().put_object(Bucket=bucket, Key="raw/data.parquet", Body=content)
    there = [f"data.path=s3://{bucket}/raw", f"runs=s3://{bucket}/runs"]
    assert errors(config_file, *there, f"push.root=s3://{bucket}/models") == {}
    assert [key for key in object_store.keys(bucket) if not key.endswith("/")] == [
        "raw/data.parquet"
    ]
    places = ("runs", "push.root", "push.artifacts")
    missing = errors(config_file, *(f"{place}=s3://not-there/x" for place in places))
    assert {place: error.what for place, error in missing.items()} == dict.fromkeys(
        places, "There is no bucket 'not-there'."
    )


def test_credentials_that_may_not_write(
    config_file: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "this-is-not-the-secret")
    found = errors(config_file, f"data.path=s3://{bucket}/raw", f"runs=s3://{bucket}/runs")
    assert set(found) == {"files", "runs"}
    for error in found.values():
        assert "credentials" in error.what
        assert len(error.lines()) <= 10
        assert "this-is-not" not in error.to_json()
