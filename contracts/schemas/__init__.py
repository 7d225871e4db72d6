"""JSON Schemas of the files that other programs read; `make schemas` writes them anew."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from contracts.artifact import Artifact
from contracts.results.summary import Summary

FOLDER = Path(__file__).parent
_MODELS: dict[str, type[BaseModel]] = {
    "summary.schema.json": Summary,
    "artifact.schema.json": Artifact,
}


def schema_texts() -> dict[str, str]:
    """Gives by file name the schema of the model that writes and reads such files."""
    return {
        name: json.dumps(model.model_json_schema(by_alias=True), indent=2) + "\n"
        for name, model in _MODELS.items()
    }


def write_schemas(folder: Path = FOLDER) -> None:
    """Writes every schema."""
    for name, text in schema_texts().items():
        (folder / name).write_text(text, encoding="utf-8")
