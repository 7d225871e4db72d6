"""All checks together, and their config."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from components.data_gate.audit.audit import CHECKS, report_of, run_audit, to_findings
from components.data_gate.config import AuditedDataSpec, AuditSpec
from components.example_gen.config import SplitSpec
from models.content.images.content import ImageContent
from models.content.texts.content import TextContent
from tests.audit_tables import audit_data, clean, problem, splits, with_column

BY_DAY = SplitSpec(by="key", columns=("day",))
OFF: dict[str, Any] = {name: {"severity": "off"} for name in CHECKS}
OFF["duplicates"] |= {"across": {"severity": "off"}, "near": {"severity": "off"}}
OFF["leakage"]["gap"] = {"severity": "off"}
OFF["shift"]["spans"] = {"severity": "off"}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_sound_data_give_figures_and_no_finding(task: str) -> None:
    quick = {"label_errors": {"rows": 500, "folds": 2}}
    part = run_audit(audit_data(splits(task), quick, BY_DAY, problem(task)))
    assert to_findings(part) == []
    content = report_of(part).to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert {one["outcome"] for one in content["checks"]} == {"pass"}
    assert {one["check"] for one in content["checks"]} >= {"leakage", "overlap", "missing"}


def test_every_planted_defect_is_found_and_blocking_ones_come_first() -> None:
    tables = {
        name: with_column(
            with_column(table, "giveaway", table["late"].to_numpy() * 60),
            "still",
            [1.0] * len(table),
        )
        for name, table in splits().items()
    }
    tables["test"] = pa.concat_tables([tables["test"], tables["train"].slice(0, 20)])
    of = problem(giveaway={"type": "numeric"}, still={"type": "numeric"})
    findings = to_findings(run_audit(audit_data(tables, split=BY_DAY, of=of)))
    assert [(one.severity, one.check, one.feature, one.split) for one in findings] == [
        ("block", "leakage", "giveaway", "train"),
        ("block", "overlap", "day", "train, test"),
        ("warn", "duplicates.across", "", "train, test"),
        ("warn", "constant", "still", "train"),
    ]
    assert findings[0].figure == pytest.approx(1.0)
    assert findings[0].bound == 0.98
    assert findings[0].fix


def test_a_check_that_is_off_is_not_made() -> None:
    broken = {"train": clean(30, 0), "test": clean(30, 0)}
    part = run_audit(audit_data(broken, OFF, BY_DAY))
    assert to_findings(part) == []
    assert {one.outcome for one in part.checks} == {"off"}
    assert [one.check for one in part.checks] == list(CHECKS)
    assert part.details == {}


@pytest.mark.parametrize("rows", [0, 1, 12])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_hardly_any_rows(task: str, rows: int) -> None:
    tables = splits(task, train=rows, val=rows, test=rows)
    part = run_audit(audit_data(tables, split=BY_DAY, of=problem(task)))
    assert {one.severity for one in to_findings(part)} == {"warn"}
    json.dumps(report_of(part).to_json(), allow_nan=False)


def test_features_without_a_value() -> None:
    features = ("amount", "hour", "colour", "town")
    tables = {
        name: pa.table(
            {
                column: pa.nulls(len(table), table[column].type)
                if column in features
                else table[column]
                for column in table.column_names
            }
        )
        for name, table in splits().items()
    }
    part = run_audit(audit_data(tables))
    json.dumps(report_of(part).to_json(), allow_nan=False)
    assert ("missing", "town") in {(one.check, one.feature) for one in to_findings(part)}


def test_every_check_has_a_severity_and_stands_in_the_config() -> None:
    contents = {content.audit_key for content in (ImageContent, TextContent)}
    assert {*CHECKS, *contents, "series", "sample_rows"} == set(AuditSpec.model_fields)
    for name in CHECKS:
        assert getattr(AuditSpec(), name).severity in ("block", "warn")
    spec = AuditedDataSpec.model_validate({"path": "x", "audit": {"leakage": {"max_power": 0.9}}})
    assert spec.audit.leakage.max_power == 0.9
    assert spec.audit.leakage.severity == "block"
    with pytest.raises(ValidationError):
        AuditSpec.model_validate({"leakage": {"severity": "fatal"}})


def test_the_audit_is_no_part_of_what_example_gen_gets() -> None:
    from components.example_gen.config import DataSpec, IngestSpec

    assert "audit" not in {*DataSpec.model_fields, *IngestSpec.model_fields}
