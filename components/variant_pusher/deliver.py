"""Delivers blessed variants: SavedModels to the serving root, files for devices beside it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.compressor.make import MODEL_FOLDER
from components.pusher.config import PushSpec
from components.pusher.destination import newest_version, push_version, read_newest
from components.pusher.warmup import write_warmup
from components.tracker.lineage import folder_digest
from contracts.files import write_json
from contracts.prediction_log import WARMUP_FILE
from contracts.results.variant import VariantVerdict
from contracts.storage.location import join_place
from models.compression.weights import GOLDEN_FOLDER
from models.data.raw_format_file import RAW_FORMAT_FILE
from models.export.golden_rows import golden_columns

FACTS_FILE = "kelp.json"
_EXTRA = "assets.extra"


@dataclass(frozen=True)
class Made:
    """A variant as it comes: what the Compressor wrote, and the verdict on it."""

    folder: Path
    verdict: VariantVerdict

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.verdict.name

    @property
    def is_candidate(self) -> bool:
        """Whether it is float32, the candidate itself, which the Pusher has pushed."""
        return self.verdict.is_reference

    @property
    def goes_out(self) -> bool:
        """Whether it is blessed, and not pushed already."""
        return self.verdict.status == "blessed" and not self.is_candidate


def deliver(
    name: str,
    made: Sequence[Made],
    spec: PushSpec,
    lineage: Mapping[str, Any],
    raw_format: str,
) -> dict[str, str]:
    """Pushes what is blessed, and gives where each variant is, by its name.

    A variant whose newest version has the same bytes is left where it is.

    Args:
      name: The pipeline's name.
      made: The variants.
      spec: Where to.
      lineage: Where the variants come from, for `kelp.json`.
      raw_format: How the raw data were written, as JSON.

    Raises:
      EnvironmentProblem: a folder cannot be written.
    """
    blessed = [one for one in made if one.goes_out]
    served = [one for one in blessed if _holds_preparation(one)]
    pushed = {one.name: _serve(name, one, spec, lineage, raw_format) for one in served}
    files = [one for one in blessed if not _holds_preparation(one)]
    if files:
        folder = _ship(name, files, spec, lineage, raw_format)
        pushed |= {one.name: join_place(folder, one.name) for one in files}
    return pushed


def _holds_preparation(made: Made) -> bool:
    return made.verdict.kind == "savedmodel"


def _serve(
    name: str, made: Made, spec: PushSpec, lineage: Mapping[str, Any], raw_format: str
) -> str:
    model, served_as = made.folder / MODEL_FOLDER, f"{name}-{made.name}"
    target = join_place(spec.root, served_as)
    with _assembled() as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        (folder / _EXTRA).mkdir(exist_ok=True)
        columns = golden_columns(made.folder / GOLDEN_FOLDER)
        warmup = folder / WARMUP_FILE
        write_warmup(warmup, served_as, columns, spec.warmup_rows)
        _write_raw_format(folder / _EXTRA, raw_format)
        facts = _facts([made], lineage, raw_format)
        return _push(folder, target, facts, f"{_EXTRA}/{FACTS_FILE}")


def _ship(
    name: str, files: Sequence[Made], spec: PushSpec, lineage: Mapping[str, Any], raw_format: str
) -> str:
    with _assembled() as folder:
        for made in files:
            shutil.copytree(made.folder / MODEL_FOLDER, folder / made.name)
            _write_raw_format(folder / made.name, raw_format)
        facts = _facts(files, lineage, raw_format)
        return _push(folder, join_place(spec.artifacts, name), facts, FACTS_FILE)


@contextmanager
def _assembled() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kelp-push-") as folder:
        yield Path(folder)


def _push(folder: Path, target: str, facts: dict[str, Any], place: str) -> str:
    before = read_newest(target, place)
    if before is not None and all(before.get(k) == facts[k] for k in ("digests", "raw_format")):
        return newest_version(target)
    write_json(folder / place, facts)
    return push_version(folder, target)


def _write_raw_format(folder: Path, raw_format: str) -> None:
    (folder / RAW_FORMAT_FILE).write_text(raw_format + "\n", encoding="utf-8")


def _facts(made: Sequence[Made], lineage: Mapping[str, Any], raw_format: str) -> dict[str, Any]:
    return {
        "raw_format": json.loads(raw_format),
        "digests": {one.name: folder_digest(one.folder / MODEL_FOLDER) for one in made},
        "variants": {
            one.name: {"weights": one.verdict.weights, "format": one.verdict.format} for one in made
        },
        "lineage": json.loads(json.dumps(lineage)),
    }
