"""Where a run's model comes from: as the Tracker writes it, and as a run folder tells it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from components.tracker.lineage import describe_uri, text_digest
from contracts.errors import EnvironmentProblem
from contracts.files import read_json
from contracts.results.summary import Summary
from contracts.storage.staging import stage_if_there
from pipelines.execution.metadata import (
    SQLITE_FILE,
    Connection,
    MetadataSpec,
    metadata_connection,
)
from pipelines.runs.record import CONFIG_FILE

_SHOWN_PACKAGES = ("python", "kelp-mlops", "tensorflow", "keras", "tfx")


def lineage_of_run(folder: Path, summary: Summary) -> dict[str, Any]:
    """Gives a lineage in the form of the Tracker's `lineage.json`, without MLflow."""
    digests, folders = summary.digests, summary.folders
    place = folder / CONFIG_FILE
    data = read_json(place)["data"] if place.is_file() else {}
    return {
        "run": summary.run_id,
        "seed": summary.seed,
        "data": {
            "digest": digests.data,
            "path": data.get("path"),
            "spans": data.get("spans"),
            "rows": summary.rows,
        },
        "schema": {"digest": _schema_digest(folders.get("schema"))},
        "config": {
            "digest": digests.config,
            "overrides": summary.overrides,
            "path": summary.config,
        },
        "source": digests.source,
        "versions": summary.versions,
        "artifacts": _artifacts(folder, folders),
    }


def _schema_digest(folder: str | None) -> str | None:
    staged = stage_if_there(folder) if folder else None
    files = sorted(staged.glob("*.pbtxt")) if staged is not None else []
    return text_digest(files[0].read_text(encoding="utf-8")) if files else None


def _artifacts(folder: Path, folders: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    described = {name: describe_uri(uri) for name, uri in folders.items()}
    known = known_artifacts(folder, folders.values())
    for entry in described.values():
        entry.update(known.get(entry["uri"], {}))
    return described


def known_artifacts(folder: Path, uris: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Id and type by URI, as the run's metadata store has them."""
    place = folder / CONFIG_FILE
    content = read_json(place).get("metadata", {}) if place.is_file() else {}
    spec = MetadataSpec.model_validate(content)
    if spec.server is not None:
        return _on_server(metadata_connection(spec, folder.parent), uris)
    store = folder.parent / SQLITE_FILE
    if not store.is_file():
        return {}
    # Read as plain SQLite: the metadata store's own client is part of TFX's weight.
    with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as handle:
        query = "SELECT a.uri, a.id, t.name FROM Artifact a JOIN Type t ON t.id = a.type_id"
        return {uri: {"id": id_, "type": type_} for uri, id_, type_ in handle.execute(query)}


def _on_server(connection: Connection, uris: Iterable[str]) -> dict[str, dict[str, Any]]:
    from pipelines.execution.metadata_server import open_server

    try:
        store = open_server(connection)
    except EnvironmentProblem:  # what the run folder says is shown without the server
        return {}
    types = {known.id: known.name for known in store.get_artifact_types()}
    artifacts = [artifact for uri in uris for artifact in store.get_artifacts_by_uri(uri)]
    return {one.uri: {"id": one.id, "type": types.get(one.type_id)} for one in artifacts}


def lineage_lines(lineage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Gives what to print of a lineage, apart from its artifacts."""
    data, config = lineage["data"], lineage["config"]
    rows = ", ".join(f"{split} {count:,}" for split, count in data["rows"].items())
    versions = lineage["versions"]
    yield "run", lineage["run"] or "unknown"
    yield "data", f"{data['path'] or 'unknown'}, spans {_spans(data)}, {_digest(data)}"
    yield "rows", rows or "unknown"
    yield "schema", _digest(lineage["schema"])
    yield "config", _digest(config)
    yield "overrides", " ".join(config["overrides"]) or "none"
    yield "source", f"digest {lineage['source'] or 'unknown'}"
    yield "seed", str(lineage["seed"])
    if lineage.get("model"):
        yield "model", _digest(lineage["model"])
    shown = [name for name in _SHOWN_PACKAGES if name in versions]
    shown += [name for name in versions if name not in _SHOWN_PACKAGES]
    yield "versions", ", ".join(f"{name} {versions[name]}" for name in shown) or "unknown"


def _digest(part: Mapping[str, Any]) -> str:
    return f"digest {part['digest'] or 'unknown'}"


def _spans(data: Mapping[str, Any]) -> str:
    spans = str(data["spans"] if data["spans"] is not None else "unknown")
    newest = data.get("newest_span")
    return f"{spans} (newest {newest})" if newest else spans
