"""The verdicts on variants as flat metrics and tags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.tracker.variants import read_verdicts, variant_metrics, variant_tags
from contracts.files import write_json
from contracts.results.files import write_result
from contracts.results.variant import PlacedVariant, VariantVerdict
from tests.fixtures.report_run import variants
from tests.fixtures.variant_verdicts import unmade, verdict

ORDER = ("float32", "int8", "tflite_int8")


def write(root: Path, pushed: Mapping[str, str], *names: str) -> tuple[list[Path], list[Path]]:
    """The folders that VariantEvaluator and VariantPusher leave."""
    for name in names:
        content = {key: value for key, value in verdict(name) if key != "pushed_to"}
        write_result(root / name, VariantVerdict(**content))
    write_json(root / "pushed" / "pushed.json", {"pushed": pushed})
    return [root / name for name in names], [root / "pushed"]


def places(read: list[PlacedVariant]) -> dict[str, str | None]:
    return {one.name: one.pushed_to for one in read}


def test_verdicts_come_in_the_configs_order_with_their_places(tmp_path: Path) -> None:
    folders, pushed = write(tmp_path, {"int8": "serving/flights-int8/2"}, *ORDER[::-1])
    read = read_verdicts(folders, pushed, ORDER, "serving/flights/2")
    assert [one.name for one in read] == list(ORDER)
    assert places(read) == {
        "float32": "serving/flights/2",
        "int8": "serving/flights-int8/2",
        "tflite_int8": None,
    }
    assert read[1].model_copy(update={"pushed_to": None}) == verdict("int8", pushed=False)


def test_what_was_not_pushed_has_no_place(tmp_path: Path) -> None:
    folders, pushed = write(tmp_path, {}, *ORDER)
    assert set(places(read_verdicts(folders, pushed, ORDER, "")).values()) == {None}
    assert set(places(read_verdicts(folders, [], (), "")).values()) == {None}
    assert read_verdicts([], [], ORDER, "serving/flights/2") == []


def test_metrics_are_flat() -> None:
    metrics = variant_metrics([verdict("int8"), verdict("tflite_int8")])
    assert metrics["variant.int8.bytes"] == 184_300
    assert metrics["variant.int8.gzip_bytes"] == 112_700
    assert round(metrics["variant.int8.ratio_bytes"], 2) == 0.4
    assert round(metrics["variant.tflite_int8.ratio_p50"], 2) == 0.3
    assert metrics["variant.int8.roc_auc"] == 0.7599 - 0.0004
    assert metrics["variant.int8.difference.roc_auc"] == -0.0004
    assert (
        metrics["variant.int8.difference.roc_auc.low"] < metrics["variant.int8.difference.roc_auc"]
    )
    assert all(isinstance(value, float) for value in metrics.values())


def test_what_was_not_measured_is_left_out() -> None:
    assert variant_metrics([unmade("int8", "failed", "It crashed.")]) == {}
    bare = verdict("int8", difference={"roc_auc": {"value": None, "low": None, "high": None}})
    assert not [name for name in variant_metrics([bare]) if "difference" in name]


def test_tags_name_each_verdict() -> None:
    tags = variant_tags(variants())
    assert tags["variant.int8"] == "blessed"
    assert tags["variant.tflite_full_int8"] == "refused"
    assert tags["variant.pruned24"] == "unsupported"
    assert tags["variant.qat"] == "failed"
    assert len(tags) == 14
