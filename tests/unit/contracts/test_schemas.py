"""The shipped JSON Schemas: those of the models, and true of the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from contracts.schemas import FOLDER, schema_texts, write_schemas
from tests.fixtures.report_run import full_run


def test_shipped_schemas_are_those_of_the_models(tmp_path: Path) -> None:
    texts = schema_texts()
    shipped = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert shipped == texts, "make schemas"
    write_schemas(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == texts


def test_a_summary_satisfies_its_schema(tmp_path: Path) -> None:
    schema = json.loads((FOLDER / "summary.schema.json").read_text())
    validator: Any = jsonschema_rs.validator_for(schema)
    summary = full_run(tmp_path).typed().to_json()
    assert list(validator.iter_errors(summary)) == []
    assert list(validator.iter_errors({**summary, "seed": "none"}))


@pytest.mark.parametrize("name", schema_texts())
def test_schemas_are_valid(name: str) -> None:
    assert jsonschema_rs.meta.is_valid(json.loads((FOLDER / name).read_text()))
