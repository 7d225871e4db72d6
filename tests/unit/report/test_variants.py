"""The report's chapter on variants: what it says, and what it draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from report.charts.charts import charts_of
from report.charts.scatter import Cloud, Point, outside, scatter
from report.content import gather
from report.formats import size, times
from report.sources import read_sources
from report.variants_view import Variants
from report.view import Part, Report
from tests.fixtures.report_run import summary_of, variants
from tests.fixtures.variant_verdicts import verdict, verdicts


def report_of(folder: Path, **summary: Any) -> Report:
    return gather(read_sources(folder, summary_of(**summary), {}))


def variants_in(folder: Path, **summary: Any) -> Variants:
    part: Part[Variants] = report_of(folder, **summary).variants
    assert part.content is not None
    return part.content


def test_a_variant_is_shown_with_its_ratios(tmp_path: Path) -> None:
    found = variants_in(tmp_path, variants=variants())
    one = next(one for one in found.variants if one.verdict.name == "tflite_pruned80_int8")
    assert one.settings == "sparsity 0.8"
    assert (one.verdict.status, one.tone, one.place) == (
        *("blessed", "good"),
        "artifacts/flights/4/tflite_pruned80_int8",
    )
    assert one.sizes["bytes"].value == 77_800
    assert one.sizes["bytes"].ratio == pytest.approx(0.1688, abs=1e-4)
    assert one.sizes["bytes"].lean == pytest.approx(0.3039, abs=1e-4)
    assert one.sizes["parameters"].lean is None
    assert one.sizes["p50_ms"].value == pytest.approx(0.21)
    assert dict(found.counts) == {"blessed": 11, "refused": 1, "unsupported": 1, "failed": 1}


def test_the_worst_slice_is_one_that_could_be_judged(tmp_path: Path) -> None:
    found = variants_in(tmp_path, variants=verdicts())
    assert found.variants[2].worst == "carrier = F9"
    assert found.variants[2].worst_loss.value == pytest.approx(0.0012)
    thin = verdict("int8").slices[:1]
    assert variants_in(tmp_path, variants=[verdict("int8", slices=thin)]).variants[0].worst == ""


def test_reasons_stand_where_the_place_would(tmp_path: Path) -> None:
    by_name = {one.verdict.name: one for one in variants_in(tmp_path, variants=variants()).variants}
    assert by_name["float32"].place == "not pushed", "the candidate was not"
    pushed = variants_in(
        tmp_path, variants=variants(), pushed_to="serving_models/flights/4"
    ).variants[0]
    assert pushed.place == "serving_models/flights/4"
    assert by_name["int8"].place == "serving_models/flights-int8/4"
    assert by_name["tflite_full_int8"].place.startswith("tflite_full_int8 loses 0.0713")
    assert by_name["tflite_full_int8"].tone == "bad"
    assert by_name["pruned24"].place.startswith("2:4 needs layers")
    assert by_name["pruned24"].tone == "none"
    assert by_name["qat"].sizes["bytes"].value is None
    kept = variants_in(tmp_path, variants=verdicts(pushed=False)).variants[1]
    assert kept.place == "not pushed"


def test_the_summarys_advice_is_shown(tmp_path: Path) -> None:
    recommended = {"server": {"name": "x", "reason": "y"}, "phone": None, "download": None}
    found = variants_in(tmp_path, variants=verdicts(), recommended=recommended)
    assert [one.name for one in found.advice] == ["x", "", ""]
    assert found.advice[1].reason == "No TFLite file is blessed."


def test_gates_name_variant_and_slice(tmp_path: Path) -> None:
    gate = verdict("int8").gates[0].model_copy(update={"slice": {"carrier": "UA"}})
    found = variants_in(tmp_path, variants=[verdict("int8", gates=[gate])])
    assert found.gates[0].where == "int8: carrier = UA"


def test_why_there_are_none(tmp_path: Path) -> None:
    none = report_of(tmp_path, variants=[], recommended={}).variants
    assert none == Part(absent="No variants are configured (variants).")
    failed = report_of(tmp_path, status="failed", stopped_at="Trainer", variants=[])
    assert failed.variants.absent == "Not measured: the run stopped at Trainer."
    assert charts_of(failed)["variants"] == []


def test_a_tile_counts_them(tmp_path: Path) -> None:
    tile = report_of(tmp_path, variants=variants()).verdict.tiles[-1]
    assert (tile.value, tile.tone) == ("11 of 14", "warn")
    assert tile.note == "1 refused, 1 unsupported, 1 failed"
    tile = report_of(tmp_path, variants=[verdict("int8")]).verdict.tiles[-1]
    assert (tile.value, tile.note, tile.tone) == ("1 of 1", "each for itself", "good")
    assert report_of(tmp_path, variants=[]).verdict.tiles[-1].label == "Time"


def test_both_plots_name_all_that_was_measured(tmp_path: Path) -> None:
    drawn = charts_of(report_of(tmp_path, variants=variants()))["variants"]
    assert [chart.title for chart in drawn] == ["ROC AUC against bytes", "ROC AUC against latency"]
    for chart in drawn:
        for name in (one.name for one in verdicts()):
            assert f">{name}" in chart.svg
        assert ">qat<" not in chart.svg
        assert "tflite_full_int8 (0.6886)" in chart.svg
        assert "Triangle" in chart.note
        assert "Pareto front" in chart.svg
    assert "on the front: tflite_int8, tflite_float16" in drawn[0].svg


def test_nothing_measured_draws_nothing(tmp_path: Path) -> None:
    assert charts_of(report_of(tmp_path, variants=variants()[-2:]))["variants"] == []


def cloud(*points: Point, front: tuple[str, ...] = (), reference: float | None = None) -> Cloud:
    return Cloud(points, front, "x", "y", "{:g}".format, reference)


@pytest.mark.parametrize(
    "points",
    [
        [Point("one", 5.0, 0.5, None, None, True)],
        [Point("bad", 5.0, 0.5, 0.4, 0.6, False)],
        [Point(f"p{i}", 1000.0, 0.0, 0.0, 0.0, True) for i in range(30)],
        [Point("far", 1e9, -3.0, None, None, False), Point("near", 1.0, 1e-9, None, None, True)],
    ],
)
def test_any_points_can_be_drawn(points: list[Point]) -> None:
    drawn = scatter("any", "any", cloud(*points, front=(points[0].label,)))
    assert isinstance(drawn, Markup)
    assert "nan" not in drawn.lower()
    for point in points:
        assert f">{point.label}" in drawn


def test_what_is_far_off_stands_at_the_edge() -> None:
    near = Point("near", 1.0, 0.75, 0.74, 0.76, True)
    assert not outside(cloud(near, Point("refused", 2.0, 0.745, None, None, False)))
    assert outside(cloud(near, Point("refused", 2.0, 0.5, None, None, False)))
    assert not outside(cloud(near, reference=0.5)), "the reference is always shown"


def test_sizes_and_multiples() -> None:
    assert [size(value) for value in (None, 12, 77_800, 1_250_000)] == [
        "n/a",
        "12 B",
        "77.8 kB",
        "1.25 MB",
    ]
    assert [times(value) for value in (None, 0.3084, 12.4)] == ["n/a", "0.31x", "12x"]
