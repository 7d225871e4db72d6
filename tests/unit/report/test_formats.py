"""Numbers as the report writes them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report import formats
from report.charts import svg
from report.view import Interval


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.7599, "0.7599"),
        (-0.0069, "\N{MINUS SIGN}0.0069"),
        (0, "0"),
        (12.3456, "12.35"),
        (123.456, "123.5"),
        (1234.56, "1,235"),
        (8.9e-8, "8.9e\N{MINUS SIGN}08"),
        (None, "n/a"),
        (math.nan, "n/a"),
        (-math.inf, "n/a"),
    ],
)
def test_number(value: float | None, written: str) -> None:
    assert formats.number(value) == written


def test_other_kinds() -> None:
    assert formats.signed(0.5) == "+0.5000"
    assert formats.signed(-0.5) == "\N{MINUS SIGN}0.5000"
    assert formats.signed(0) == "0"
    assert formats.signed(None) == "n/a"
    assert formats.plain(0.98) == "0.98"
    assert formats.plain(1500) == "1,500"
    assert formats.percent(0.0621) == "6.2 %"
    assert formats.percent(0.00001) == "< 0.1 %"
    assert formats.percent(0) == "0.0 %"
    assert formats.percent(0.95, 0) == "95 %"
    assert formats.chance(0.0001) == "< 0.001"
    assert formats.chance(0.25) == "0.250"
    assert formats.count(327346) == "327,346"
    assert formats.bounds(Interval(value=1, low=0.5, high=1.5)) == "0.5000 to 1.5000"
    assert formats.bounds(Interval(value=1)) == "no interval"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.04, "0.04 s"), (75.2, "75 s"), (148.0, "2 min 28 s"), (7384, "2 h 3 min"), (None, "n/a")],
)
def test_duration(seconds: float | None, written: str) -> None:
    assert formats.duration(seconds) == written.replace(" ", "\N{NO-BREAK SPACE}")


def test_moment() -> None:
    assert formats.moment("2026-11-21T08:54:11+02:00") == "21 November 2026, 06:54 UTC"
    assert formats.moment("2026-11-21T06:54:11Z") == "21 November 2026, 06:54 UTC"
    assert formats.moment("long ago") == "long ago"


def test_titles() -> None:
    assert formats.metric_title("roc_auc") == "ROC AUC"
    assert formats.metric_title("top_3") == "Top 3"
    assert formats.title("true_positive_rate") == "True positive rate"
    assert formats.short("abcdef", 4) == "abc…"


@given(st.floats() | st.none())
def test_a_number_is_never_blank(value: float | None) -> None:
    for write in (formats.number, formats.plain, formats.signed, formats.percent, formats.chance):
        assert write(value).strip()


@given(st.text(max_size=60))
def test_any_text_can_stand_in_a_chart(label: str) -> None:
    result = svg.text(label, 20)
    assert len(result) <= 20
    assert result.isprintable()
