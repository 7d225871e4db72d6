"""The file of a run's Keras network: equal networks give equal bytes, whenever they are saved."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

NETWORK_FILE = "network.keras"
_METADATA, _CONFIG = "metadata.json", "config.json"
_IDENTIFIER = "shared_object_id"


def save_network(network: keras.Model, path: Path) -> None:
    """Saves a network without what differs from call to call.

    Keras writes the time of saving, and addresses in memory as the identifiers of shared objects.

    Args:
      network: The network.
      path: A path that ends in `.keras`; the file appears there when it is whole.
    """
    saved, renewed = path.with_name(f".{path.name}"), path.with_name(f".{path.name}.new")
    try:
        network.save(saved)
        with zipfile.ZipFile(saved) as source, zipfile.ZipFile(renewed, "w") as target:
            for entry in source.infolist():
                _copy(source, entry, target)
        renewed.replace(path)
    finally:
        saved.unlink(missing_ok=True)
        renewed.unlink(missing_ok=True)


def _copy(source: zipfile.ZipFile, entry: zipfile.ZipInfo, target: zipfile.ZipFile) -> None:
    """Copies one entry; a new entry has the first date that a zip file knows."""
    fresh = zipfile.ZipInfo(entry.filename)
    fresh.external_attr = entry.external_attr
    if entry.filename in (_METADATA, _CONFIG):
        content = json.loads(source.read(entry))
        if entry.filename == _METADATA:
            content.pop("date_saved", None)
        _renumber(content, {})
        target.writestr(fresh, json.dumps(content))
        return
    fresh.file_size = entry.file_size
    with source.open(entry) as reader, target.open(fresh, "w") as writer:
        shutil.copyfileobj(reader, writer)


def _renumber(content: Any, numbers: dict[int, int]) -> None:
    """Numbers shared objects by the order in which they appear; changes `content`."""
    if isinstance(content, dict):
        if isinstance(content.get(_IDENTIFIER), int):
            content[_IDENTIFIER] = numbers.setdefault(content[_IDENTIFIER], len(numbers) + 1)
        for value in content.values():
            _renumber(value, numbers)
    elif isinstance(content, list):
        for value in content:
            _renumber(value, numbers)
