"""The step that was learned from the times stays with the model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.example_gen.config import RawFormat
from components.example_gen.series.clock import configured_step
from components.example_gen.series.findings import SeriesFindings
from components.example_gen.series.learned import learned_format, with_learned_step
from components.example_gen.series.spec import SeriesSpec
from components.example_gen.series.step import step_text
from contracts.errors import ConfigError


def _raw(**keys: object) -> RawFormat:
    return RawFormat.model_validate({"series": {"time": "t", "context": 4, "horizon": 2, **keys}})


def _step(raw: RawFormat) -> object:
    assert raw.series is not None
    return raw.series.step


@given(st.integers(1, 10**11))
def test_any_step_of_dates_is_kept_as_it_was(microseconds: int) -> None:
    kept = with_learned_step(_raw(), SeriesFindings(step=microseconds, moments=True))
    again = RawFormat.model_validate_json(kept.model_dump_json()).series
    assert again is not None
    assert configured_step(again, True, "x") == microseconds


def test_it_is_written_in_the_largest_unit() -> None:
    hour = 3600 * 10**6
    steps = (hour // 2, 24 * hour, 90 * 10**6, 100_000, 7)
    assert [step_text(step) for step in steps] == ["30m", "1d", "90s", "100ms", "7us"]


def test_a_step_of_whole_numbers_is_one() -> None:
    kept = with_learned_step(_raw(), SeriesFindings(step=3, moments=False))
    assert _step(kept) == 3


def test_a_configured_step_stays_and_tables_without_series_have_none() -> None:
    findings = SeriesFindings(step=3600 * 10**6)
    assert _step(with_learned_step(_raw(step="2h"), findings)) == "2h"
    assert with_learned_step(RawFormat(), None) == RawFormat()
    assert with_learned_step(_raw(), None) == _raw()


def test_the_artifact_of_the_examples_says_it() -> None:
    class Examples:
        def get_string_custom_property(self, name: str) -> str:
            assert name == "series"
            return SeriesFindings(step=1800 * 10**6).to_json()

    kept = learned_format(_raw().model_dump_json(), Examples())
    assert _step(RawFormat.model_validate_json(kept)) == "30m"


def test_parts_of_a_second_are_steps_of_dates_alone() -> None:
    series = SeriesSpec(time="t", context=4, horizon=2, step="100ms")
    assert configured_step(series, True, "x") == 100_000
    with pytest.raises(ConfigError, match="step is 100ms, and the time column 't' holds whole"):
        configured_step(series, False, "x")
    with pytest.raises(ValidationError, match="step"):
        SeriesSpec(time="t", context=4, horizon=2, step="0h")
