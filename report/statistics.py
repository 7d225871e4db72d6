"""From TFDV's statistics to the few figures and the small histogram of a table's row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from report.formats import percent, plain, short
from report.view import Bar, Column

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

_TOP_VALUES = 3
_BARS = 12


def columns_of(
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatistics],
) -> list[Column]:
    """One entry a feature and split: features in their order, splits beside each other."""
    columns = [
        _column(feature, split, int(dataset.num_examples))
        for split, dataset in statistics.items()
        for feature in dataset.features
    ]
    return sorted(columns, key=lambda column: column.feature)


def _column(feature: statistics_pb2.FeatureNameStatistics, split: str, rows: int) -> Column:
    name = (feature.path.step[0] if feature.path.step else "") or feature.name
    kind = feature.WhichOneof("stats")
    if kind is None:
        return Column(name, split, "other", rows, None)
    present = getattr(feature, kind).common_stats.num_non_missing
    missing = max(0.0, 1 - present / rows) if rows else None
    if kind == "num_stats":
        figures = _number_figures(feature.num_stats) if present else {}
        return Column(name, split, "number", rows, missing, **figures)
    if kind == "string_stats":
        return Column(name, split, "text", rows, missing, **_text_figures(feature.string_stats))
    return Column(name, split, "other", rows, missing)


def _number_figures(stats: statistics_pb2.NumericStatistics) -> dict[str, Any]:
    return {
        "mean": stats.mean,
        "deviation": stats.std_dev,
        "least": stats.min,
        "median": stats.median,
        "most": stats.max,
        "bars": _number_bars(stats),
    }


def _text_figures(stats: statistics_pb2.StringStatistics) -> dict[str, Any]:
    present = stats.common_stats.num_non_missing or 1
    top = [
        (short(value.value, 24), value.frequency / present)
        for value in stats.top_values[:_TOP_VALUES]
    ]
    counts = [
        (
            f"{short(bucket.label, 40)}: {percent(bucket.sample_count / present)}",
            bucket.sample_count,
        )
        for bucket in stats.rank_histogram.buckets[:_BARS]
    ]
    return {"distinct": int(stats.unique), "top": top, "bars": _bars(counts)}


def _number_bars(stats: statistics_pb2.NumericStatistics) -> list[Bar]:
    present = stats.common_stats.num_non_missing or 1
    equal = (one for one in stats.histograms if one.type == one.STANDARD)
    histogram = next(equal, None)
    if histogram is None:
        return []
    return _bars([(_range(bucket, present), bucket.sample_count) for bucket in histogram.buckets])


def _range(bucket: statistics_pb2.Histogram.Bucket, present: float) -> str:
    ends = f"{plain(bucket.low_value)} to {plain(bucket.high_value)}"
    return f"{ends}: {percent(bucket.sample_count / present)}"


def _bars(counts: list[tuple[str, float]]) -> list[Bar]:
    tallest = max((count for _, count in counts), default=0)
    return [Bar(label, count / tallest) for label, count in counts] if tallest else []
