"""What a model keeps of the series that it learned from: the step, where none is configured."""

from __future__ import annotations

from typing import Any

from components.example_gen.config import RawFormat
from components.example_gen.series.findings import SeriesFindings, findings_of
from components.example_gen.series.step import step_text


def learned_format(raw_format: str, examples: Any) -> str:
    """Gives the format of raw data with the step that was learned from them.

    Args:
      raw_format: A `RawFormat`, as JSON.
      examples: The artifact of ExampleGen, which knows the step.
    """
    raw = RawFormat.model_validate_json(raw_format)
    return with_learned_step(raw, findings_of(examples)).model_dump_json()


def with_learned_step(raw: RawFormat, findings: SeriesFindings | None) -> RawFormat:
    """Gives the format with the step that was learned, where none is configured."""
    if raw.series is None or raw.series.step is not None or findings is None or not findings.step:
        return raw
    step = step_text(findings.step) if findings.moments else findings.step
    return raw.model_copy(update={"series": raw.series.model_copy(update={"step": step})})
