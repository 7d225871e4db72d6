"""The long table that windows are cut from, as ExampleGen reads it."""

from __future__ import annotations

from components.example_gen.config import IngestSpec, SplitSpec
from components.example_gen.series.spec import SeriesSpec


def long_table(spec: IngestSpec) -> IngestSpec:
    """Gives what to read of the long table; the same spec where there are no series.

    Args:
      spec: Of the windows.
    """
    if spec.series is None:
        return spec
    series = spec.series
    columns: dict[str, None] = {series.time: None}
    if series.id is not None:
        columns[series.id] = None
    numbers: dict[str, None] = {}
    for name in spec.columns:
        source = series.source(name, spec.label)[0] if name in spec.lists else name
        columns[source] = None
        if name in spec.numbers:
            numbers[source] = None
    return spec.model_copy(
        update={
            "columns": tuple(columns),
            "numbers": tuple(numbers),
            "lists": {},
            "series": None,
            "split": SplitSpec(by="time", columns=(series.time,), shares=spec.split.shares),
        }
    )


def series_of(spec: IngestSpec) -> SeriesSpec:
    """Gives the config of the series of a spec that has one."""
    assert spec.series is not None
    return spec.series
