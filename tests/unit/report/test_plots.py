"""The labels of charts: whole where two lines hold them."""

from __future__ import annotations

from report.charts.plots import Axis, Mark, bars, forest

LONG = "month = 12, wind_gust = 23.0 to below 25.3"


def heights(drawing: str) -> float:
    return float(drawing.split('viewBox="0 0 ')[1].split('"', maxsplit=1)[0].split()[1])


def test_a_long_label_goes_on_over_two_lines() -> None:
    short = str(forest("a", "alt", [Mark("origin = JFK", 0.7, 0.6, 0.8)], Axis("x", 0, 1)))
    drawn = str(forest("b", "alt", [Mark(LONG, 0.7, 0.6, 0.8)], Axis("x", 0, 1)))
    assert "…" not in drawn
    for word in ("wind_gust", "25.3"):
        assert word in drawn
    assert heights(drawn) > heights(short)


def test_a_label_that_two_lines_cannot_hold_is_cut() -> None:
    drawn = str(bars("c", "alt", [("word " * 40, 0.7), ("x" * 90, 0.5)], Axis("x", 0, 1)))
    assert drawn.count("…") == 2
