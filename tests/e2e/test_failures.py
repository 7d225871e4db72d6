"""Bad input, on the real flights config: a short error that says where, and no model."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from contracts.errors import EnvironmentProblem, KelpError
from pipelines import cli
from pipelines.commands.schema import freeze
from pipelines.config.problem import load_config
from pipelines.local import run
from tests.e2e.conftest import REPOSITORY

Change = Callable[[pa.Table], pa.Table]


@pytest.fixture
def place(
    tmp_path: Path, shrunk_flights: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Path]:
    """A working folder with the config and one month of flights."""
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    shutil.copytree(shrunk_flights / "span-01", tmp_path / "data" / "flights" / "span-01")
    monkeypatch.chdir(tmp_path)
    return lambda: tmp_path / "data" / "flights" / "span-01" / "flights.parquet"


def _change(path: Path, change: Change) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def _set(name: str, values: Callable[[pa.Table], pa.Array]) -> Change:
    def change(table: pa.Table) -> pa.Table:
        return table.set_column(table.column_names.index(name), name, values(table))

    return change


def _fail(capfd: pytest.CaptureFixture[str], *overrides: str) -> str:
    status = run(load_config(Path("configs/flights.yaml"), overrides))
    printed = capfd.readouterr()
    assert status not in (0, None)
    # A process that has TensorFlow already may print its start-up lines before the error.
    shown = printed.err[printed.err.index("error: ") :]
    lines = shown.strip().splitlines()
    assert 1 <= len(lines) <= 10
    assert "Traceback" not in printed.err
    assert not Path("serving_models").exists()
    summary = json.loads(Path("runs/flights/latest/summary.json").read_text())
    assert summary["status"] == "failed"
    assert summary["error"][0] == lines[0]
    page = html.unescape(Path("runs/flights/latest/report.html").read_text())
    assert lines[0].removeprefix("error: ") in page
    return shown


def test_a_missing_path(place: Callable[[], Path], capfd: pytest.CaptureFixture[str]) -> None:
    result = _fail(capfd, "data.path=data/nowhere/*.parquet")
    assert "data.path" in result
    assert "data/nowhere" in result


def test_a_missing_label_column(
    place: Callable[[], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    _change(place(), lambda table: table.drop_columns(["delayed"]))
    result = _fail(capfd)
    assert "label" in result
    assert "delayed" in result
    assert "flights.parquet" in result


def test_a_parquet_file_cut_short(
    place: Callable[[], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    content = place().read_bytes()
    place().write_bytes(content[: len(content) // 2])
    result = _fail(capfd)
    assert "flights.parquet" in result


def test_an_entirely_missing_feature(
    place: Callable[[], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    _change(place(), _set("temp", lambda table: pa.nulls(len(table), pa.float64())))
    result = _fail(capfd)
    assert "'temp' is entirely missing" in result


def test_a_split_with_no_rows(place: Callable[[], Path], capfd: pytest.CaptureFixture[str]) -> None:
    _change(place(), lambda table: table.filter(pc.equal(table["day"], table["day"][0])))
    result = _fail(capfd)
    assert "split" in result
    assert "date" in result


def test_a_leak_and_then_an_unseen_category_in_a_closed_domain(
    place: Callable[[], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    def leak(table: pa.Table) -> pa.Table:
        noise = np.random.default_rng(0).normal(size=len(table))
        late = table["delayed"].to_numpy() * 100.0
        return table.append_column("leak", pa.array(late + noise))

    _change(place(), leak)
    result = _fail(capfd, "features.leak={type: numeric}")
    assert "Feature 'leak' alone nearly decides the label 'delayed'" in result.splitlines()[0]
    assert "leakage" in result
    assert "DataGate, feature leak" in result
    latest = Path("runs/flights/latest")
    assert json.loads((latest / "summary.json").read_text())["stopped_at"] == "DataGate"
    assert not Path("runs/flights/artifacts/Trainer").exists()
    audit = json.loads((latest / "data_verdict" / "audit.json").read_text())
    blocking = [check for check in audit["checks"] if check["outcome"] == "block"]
    assert [(check["check"], check["feature"]) for check in blocking] == [("leakage", "leak")]
    assert "The run failed at DataGate" in html.unescape((latest / "report.html").read_text())
    assert cli.main(["why"]) == 0
    assert "'leak' alone nearly decides" in capfd.readouterr().out

    # The schema was inferred before the audit.
    freeze(load_config(Path("configs/flights.yaml")))

    def unseen(table: pa.Table) -> pa.Array:
        return pa.array(["ZZ", *table["carrier"].to_pylist()[1:]])

    _change(place(), _set("carrier", unseen))
    result = _fail(capfd)
    assert "carrier" in result
    assert "ZZ" in result
    assert "row " in result


@pytest.fixture
def csv(place: Callable[[], Path]) -> Path:
    path = Path("flights.csv")
    pa_csv.write_csv(pq.read_table(place()), path)
    return path


def test_a_csv_row_of_too_few_fields(csv: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = csv.read_text().splitlines()
    lines[7] = lines[7].rsplit(",", 3)[0]
    csv.write_text("\n".join(lines) + "\n")
    result = _fail(capfd, "data.path=flights.csv")
    assert "flights.csv" in result
    assert "8" in result


def test_text_in_a_numeric_csv_column(csv: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = csv.read_text().splitlines()
    names = [name.strip('"') for name in lines[0].split(",")]
    fields = lines[5].split(",")
    fields[names.index("distance")] = "far"
    lines[5] = ",".join(fields)
    csv.write_text("\n".join(lines) + "\n")
    result = _fail(capfd, "data.path=flights.csv")
    assert "flights.csv" in result
    assert "distance" in result
    assert "far" in result


def test_a_run_folder_that_cannot_be_one(
    place: Callable[[], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    Path("taken").write_text("a file")
    with pytest.raises(KelpError, match="run folder") as caught:
        run(load_config(Path("configs/flights.yaml"), ["runs=taken"]))
    assert "taken" in caught.value.where
    assert len(caught.value.lines()) <= 10


def test_a_second_run_at_the_same_time(place: Callable[[], Path]) -> None:
    Path("runs/flights").mkdir(parents=True)
    with (
        FileLock("runs/flights/.lock"),
        pytest.raises(EnvironmentProblem, match="Another run") as caught,
    ):
        run(load_config(Path("configs/flights.yaml")))
    assert "runs/flights" in caught.value.where
