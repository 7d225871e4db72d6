"""Which variant is recommended, and which ones lie on the front."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.results.summary import Recommendation
from contracts.results.variant import PlacedVariant
from evidence.variant_choice import pareto, recommend
from tests.fixtures.variant_verdicts import unmade, verdict, verdicts


def named(choice: Recommendation | None) -> str:
    assert choice is not None
    return choice.name


def test_each_place_gets_the_variant_that_suits_it() -> None:
    chosen = recommend(verdicts())
    assert named(chosen["server"]) == "distilled_int8", "within 5 % of the fastest, and smaller"
    assert named(chosen["phone"]) == "tflite_int8", "as soon as the others, smaller, and first"
    assert named(chosen["download"]) == "tflite_pruned80_int8"


def test_reasons_have_figures() -> None:
    chosen = recommend([verdict("float32"), verdict("int8"), verdict("tflite_int8")])
    assert chosen["server"] == Recommendation(
        name="int8",
        reason="0.40x the bytes and 1.17x the rows per second of float32, roc_auc lower by "
        "0.0004 [0.0001, 0.0007]",
    )
    assert chosen["phone"] == Recommendation(
        name="tflite_int8",
        reason="0.17x the bytes and 0.30x the time of a row of float32's SavedModel (0.2100 ms "
        "with its preparation), roc_auc lower by 0.0005 [0.0002, 0.0008]",
    )
    download = chosen["download"]
    assert download is not None
    assert download.reason.startswith("0.20x the gzipped bytes of float32 (59,800), roc_auc")


def test_a_gain_is_reported_as_one() -> None:
    better = {"roc_auc": {"value": 0.002, "low": 0.001, "high": 0.003}}
    chosen = recommend([verdict("tflite_int8", difference=better)])
    assert "roc_auc higher by 0.0020 [0.0010, 0.0030]" in str(chosen["phone"])
    chosen = recommend([verdict("tflite_int8", difference={"roc_auc": {"value": 0.002}})])
    assert str(chosen["phone"]).rstrip("'\"}").endswith("roc_auc higher by 0.0020")


def test_float32_may_be_the_best_server() -> None:
    chosen = recommend([verdict("float32"), verdict("float16")])
    assert named(chosen["server"]) == "float16", "a tie in speed, which fewer bytes decide"
    chosen = recommend([verdict("float32"), verdict("pruned80", bytes=500_000)])
    assert chosen["server"] == Recommendation(
        name="float32", reason="nothing that is blessed answers more rows per second"
    )


@pytest.mark.parametrize("status", ["refused", "unsupported", "failed"])
def test_only_blessed_variants_are_recommended(status: str) -> None:
    refused = [one.model_copy(update={"status": status}) for one in verdicts()]
    assert recommend(refused) == {"server": None, "phone": None, "download": None}
    assert pareto(refused, "bytes") == []
    left = recommend([*refused, verdict("onnx")])
    assert left["server"] is None
    assert left["phone"] is None
    assert named(left["download"]) == "onnx"


def test_what_was_not_measured_is_not_chosen() -> None:
    broken = [unmade("int8", "failed", "The converter crashed.")]
    assert recommend(broken) == recommend([]) == dict.fromkeys(("server", "phone", "download"))
    assert pareto(broken, "p50_ms") == []
    untimed = recommend(
        [verdict("int8", timing=None, ratios={}), verdict("tflite_int8", timing=None, ratios={})]
    )
    assert untimed["server"] is None
    assert untimed["phone"] is None
    assert named(untimed["download"]) == "tflite_int8"


def with_ratios(name: str, **ratios: float) -> PlacedVariant:
    whole = verdict(name)
    return whole.model_copy(update={"ratios": whole.ratios | ratios})


def test_speed_counts_against_the_float32_that_was_timed_beside_it() -> None:
    slow = with_ratios("int8", rows_per_s=2.0)
    slow = slow.model_copy(update={"name": "slow day"})
    assert named(recommend([*verdicts(), slow])["server"]) == "slow day"


def test_of_phones_that_are_as_quick_the_smaller_file_wins() -> None:
    small = with_ratios("tflite_int8", p50_ms=0.3)
    assert small.latency_ms == pytest.approx(0.21)
    near, far = (with_ratios("tflite_float16", p50_ms=ratio) for ratio in (0.28, 0.2))
    assert named(recommend([near, small])["phone"]) == "tflite_int8"
    assert named(recommend([far, small])["phone"]) == "tflite_float16"


def test_the_front_goes_from_small_to_good() -> None:
    assert pareto(verdicts(), "bytes") == ["tflite_int8", "tflite_float16"]
    assert pareto(verdicts(), "p50_ms") == ["tflite_float16"]
    assert pareto(verdicts(), "rows_per_s") == ["tflite_int8", "onnx", "tflite_float16"]
    assert pareto(verdicts(), "gzip_bytes")[0] == "tflite_pruned80_int8"


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), max_size=12),
    st.booleans(),
)
def test_nothing_beats_the_front_and_all_else_is_beaten(
    points: list[tuple[int, int]], higher: bool
) -> None:
    made = [
        verdict(
            "int8",
            name=str(place),
            bytes=size,
            higher_is_better=higher,
            metrics={"roc_auc": {"value": float(value)}},
            status="blessed",
        )
        for place, (size, value) in enumerate(points)
    ]
    signed = [(size, value if higher else -value) for size, value in points]
    front = {int(name) for name in pareto(made, "bytes")}
    assert bool(front) == bool(points)
    for place, one in enumerate(signed):
        better = [
            other for other in signed if other != one and other[0] <= one[0] and other[1] >= one[1]
        ]
        if place in front:
            assert better == []
        else:
            assert better or signed.index(one) < place
