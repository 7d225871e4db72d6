"""Where a model comes from: digests, metadata-store entries, versions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.files import file_digest
from contracts.storage.staging import remote_place


def folder_digest(folder: Path) -> str:
    """Digests the files of a folder: their names in it, and their bytes."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return whole.hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def describe_artifact(artifact: Any) -> dict[str, Any]:
    """Gives an artifact's place in the metadata store."""
    return {
        **describe_uri(remote_place(artifact.uri)),
        "id": artifact.id,
        "type": artifact.type_name,
    }


def describe_uri(uri: str) -> dict[str, Any]:
    """TFX ends the URI of an artifact with its component, output key and execution id."""
    component, output, execution = ([""] * 3 + uri.rstrip("/").split("/"))[-3:]
    return {
        "id": None,
        "type": None,
        "component": component,
        "output": output,
        "execution": int(execution) if execution.isdecimal() else None,
        "uri": uri,
    }


def lineage_tags(lineage: Mapping[str, Any]) -> dict[str, str]:
    """The part of a lineage that is worth searching for, as flat tags."""
    model = lineage["artifacts"]["model"]
    tags = {
        "digest.data": lineage["data"]["digest"],
        "digest.schema": lineage["schema"]["digest"],
        "digest.config": lineage["config"]["digest"],
        "digest.source": lineage["source"],
        "digest.model": lineage["model"]["digest"],
        "metadata.model": model["uri"],
        "metadata.artifact": str(model["id"]),
        "metadata.execution": str(model["execution"]),
        "kelp.version": lineage["versions"]["kelp-mlops"],
        "run": lineage["run"],
        "seed": str(lineage["seed"]),
    }
    return {name: value for name, value in tags.items() if value}
