"""Freezing keeps categories closed and vocabularies open."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.curated_schema.component import parse_schema
from contracts.errors import ConfigError
from contracts.storage.folders import publish
from contracts.storage.location import parse_location
from models.features.spec import FeaturesSpec
from pipelines.commands.schema import freeze, opened

SCHEMA = """
feature { name: "carrier" type: BYTES domain: "carrier" }
feature { name: "tail" type: BYTES domain: "tail" }
string_domain { name: "carrier" value: "AA" value: "UA" }
string_domain { name: "tail" value: "N1" }
"""
PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "late"},
        "features": {"carrier": {"type": "categorical"}, "tail": {"type": "vocabulary"}},
    }
)


def _loaded(folder: Path) -> Any:
    config = SimpleNamespace(runs=str(folder / "runs"), name="flights", problem=lambda: PROBLEM)
    return SimpleNamespace(
        config=config, schema_path=folder / "flights.schema.pbtxt", path="configs/flights.yaml"
    )


def test_vocabularies_are_opened() -> None:
    result = opened(text_format.Parse(SCHEMA, schema_pb2.Schema()), PROBLEM)
    assert [feature.domain for feature in result.feature] == ["carrier", ""]
    assert [domain.name for domain in result.string_domain] == ["carrier"]


def test_freezes_the_newest_and_only_once(tmp_path: Path) -> None:
    for number, text in (("9", "feature { name: 'old' }"), ("10", SCHEMA)):
        folder = tmp_path / "runs" / "flights" / "artifacts" / "SchemaGen" / "schema" / number
        folder.mkdir(parents=True)
        (folder / "schema.pbtxt").write_text(text)
    path = freeze(_loaded(tmp_path))
    names = [feature.name for feature in parse_schema(path.read_text(), str(path)).feature]
    assert names == ["carrier", "tail"]
    with pytest.raises(ConfigError, match="already"):
        freeze(_loaded(tmp_path))


def test_freezes_the_newest_in_a_bucket(tmp_path: Path, bucket: str) -> None:
    loaded = _loaded(tmp_path)
    loaded.config.runs = f"s3://{bucket}/runs"
    for number, text in (("9", "feature { name: 'old' }"), ("10", SCHEMA)):
        place = f"s3://{bucket}/runs/flights/artifacts/SchemaGen/schema/{number}"
        (tmp_path / number).mkdir()
        (tmp_path / number / "schema.pbtxt").write_text(text)
        publish(tmp_path / number, parse_location(place))
    path = freeze(loaded)
    assert "carrier" in path.read_text()


def test_needs_a_run_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no inferred schema"):
        freeze(_loaded(tmp_path))


def test_a_broken_schema_names_its_file() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_schema("feature { nam: 'x' }", "configs/flights.schema.pbtxt")
    assert caught.value.where == "configs/flights.schema.pbtxt"
    assert "nam" in caught.value.received
