"""Result files: a round trip, and what a reader says of a file that is not as it should be."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from contracts.results.audit import AuditReport, DataFinding, read_findings, write_findings
from contracts.results.evidence import Evidence
from contracts.results.files import ResultError, ResultFile, parse_result, read_result, write_result
from contracts.results.gates import Gate, GateReport
from contracts.results.summary import Summary
from contracts.results.training import TrainingReport
from tests.fixtures.report_run import Run, full_run, training

REPORT = GateReport(
    blessed=False, gates=[Gate(gate="bound", outcome="block", reason="Too low.", value=3)]
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return full_run(tmp_path_factory.mktemp("run"))


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write_result(tmp_path / "made", REPORT)
    assert path == tmp_path / "made" / "gates.json"
    assert read_result(path.parent, GateReport) == REPORT
    content = json.loads(path.read_text())
    assert content["version"] == 1
    assert content["gates"][0]["value"] == 3
    assert isinstance(content["gates"][0]["value"], int), "counts stay whole numbers"


@pytest.mark.parametrize(
    ("key", "kind"),
    [("evidence", Evidence), ("data_verdict", AuditReport), ("model_run", TrainingReport)],
)
def test_what_is_written_again_is_the_same(run: Run, key: str, kind: type[ResultFile]) -> None:
    before = run.read(key, kind.FILE)
    after = read_result(run.folders[key], kind).to_json()
    assert after.keys() >= before.keys()
    assert parse_result(after, kind, kind.FILE).to_json() == after


@pytest.mark.parametrize("version", [None, 2, "1"])
def test_another_version_is_an_error_that_says_what_to_do(tmp_path: Path, version: object) -> None:
    content = REPORT.to_json() | {"version": version}
    (tmp_path / "gates.json").write_text(json.dumps(content))
    with pytest.raises(ResultError, match=r"gates\.json has another version") as caught:
        read_result(tmp_path, GateReport)
    assert caught.value.where == str(tmp_path / "gates.json")
    assert caught.value.expected == "version 1"
    assert "kelp run" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ('{"version": 1, "blessed": tr', "gates.json", "JSON file"),
        ("[]", "gates.json", "version 1"),
        ('{"version": 1, "gates": []}', "key blessed", "Field required"),
        ('{"version": 1, "blessed": true, "gates": [], "x": 1}', "key x", "Extra inputs"),
        ('{"version": 1, "blessed": true, "gates": [{"gate": 1}]}', "key gates.0.gate", "string"),
    ],
)
def test_a_broken_file_is_an_error_that_names_the_key(
    tmp_path: Path, text: str, where: str, expected: str
) -> None:
    (tmp_path / "gates.json").write_text(text)
    with pytest.raises(ResultError) as caught:
        read_result(tmp_path, GateReport)
    assert where in caught.value.where
    assert expected in caught.value.expected
    assert len(caught.value.lines()) <= 5


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"summary\.json cannot be read"):
        read_result(tmp_path, Summary)


def test_findings_are_a_plain_list(tmp_path: Path) -> None:
    finding = DataFinding(severity="warn", feature="x", split="train", what="Odd.")
    write_findings(tmp_path, [finding])
    assert json.loads((tmp_path / "findings.json").read_text())[0]["what"] == "Odd."
    assert read_findings(tmp_path) == [finding]
    (tmp_path / "findings.json").write_text('[{"severity": "odd"}]')
    with pytest.raises(ResultError, match=r"findings\.json is broken"):
        read_findings(tmp_path)


def test_training_has_none_for_what_json_has_not() -> None:
    content: dict[str, Any] = training()
    content["history"] = [{"epoch": 1, "loss": math.nan, "val_loss": math.inf}]
    content["val_metrics"] = {"r2": -math.inf}
    report = TrainingReport.model_validate(content)
    assert report.history == [{"epoch": 1, "loss": None, "val_loss": None}]
    assert report.val_metrics == {"r2": None}
