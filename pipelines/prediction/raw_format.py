"""How the rows to predict are written: as the model's training data were, or as a config says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from components.example_gen.config import RawFormat
from contracts.errors import ConfigError, DataError
from models.data.raw_format_file import raw_format_file


def raw_format(folder: Path | None, config: Path | None, delimiter: str | None) -> RawFormat:
    """Gives the format of a file of raw rows.

    Args:
      folder: The model's or the artifact's folder, which tells how its training data were
        written; None for a served model.
      config: A config whose `data` tell instead; None for the model's own.
      delimiter: What separates the fields of CSV, whatever the others say.

    Raises:
      ConfigError: The config, or what lies beside the model, cannot be read.
    """
    raw = RawFormat()
    path = None if folder is None else raw_format_file(folder)
    if path is not None and path.is_file():
        raw = _read(path)
    if config is not None:
        from pipelines.config.problem import load_config

        raw = _with_step_of(raw, load_config(config).config.data.raw_format())
    return raw if delimiter is None else raw.model_copy(update={"delimiter": delimiter})


def _with_step_of(learned: RawFormat, raw: RawFormat) -> RawFormat:
    """A config that names no step has that which the model learned."""
    if learned.series is None or raw.series is None or raw.series.step is not None:
        return raw
    series = raw.series.model_copy(update={"step": learned.series.step})
    return raw.model_copy(update={"series": series})


@contextmanager
def format_explained(data: Path | str, known: bool) -> Iterator[None]:
    """Adds to an error in a file that a config can say how the file is written.

    Args:
      data: The file.
      known: Whether the format is that of a config or of the model, rather than the default.
    """
    try:
        yield
    except DataError as error:
        if known or not error.where.startswith(str(data)):
            raise
        hint = "a server does not say how files are written: name the config by --config CONFIG"
        raise DataError(
            error.what,
            where=error.where,
            expected=error.expected,
            received=error.received,
            fix="; ".join(filter(None, (error.fix, hint))),
        ) from error


def _read(path: Path) -> RawFormat:
    try:
        return RawFormat.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigError(
            "the format of the model's raw data cannot be read",
            where=str(path),
            expected="what Kelp wrote there",
            received=str(error).splitlines()[0],
            fix="push the model again, or give the format with --config CONFIG",
        ) from error
