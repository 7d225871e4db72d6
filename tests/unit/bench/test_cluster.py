"""What the bench of a cluster calls the same, and what not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from bench.cluster import statistics_differ


def write_statistics(folder: Path, means: dict[str, float], rows: int = 90) -> Path:
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    split = statistics.datasets.add(num_examples=rows)
    for name, mean in means.items():
        feature = split.features.add()
        feature.path.step.append(name)
        feature.num_stats.mean = mean
    file = folder / "Split-train" / "FeatureStats.pb"
    file.parent.mkdir(parents=True)
    file.write_bytes(statistics.SerializeToString())
    return folder


@pytest.mark.parametrize(
    ("means", "rows", "reported"),
    [
        ({"b": 2.0, "a": 1000.0}, 90, ""),
        ({"a": 1000.0000001, "b": 2.0}, 90, ""),
        ({"a": 1000.0, "b": 2.00001}, 90, "numStats.mean: 2.0 and 2.00001"),
        ({"a": 1000.0, "c": 2.0}, 90, "path.step[0]: 'b' and 'c'"),
        ({"a": 1000.0}, 90, "features"),
        ({"a": 1000.0, "b": 2.0}, 91, "numExamples: '90' and '91'"),
    ],
)
def test_statistics_are_the_same_to_a_millionth(
    tmp_path: Path, means: dict[str, float], rows: int, reported: str
) -> None:
    here = write_statistics(tmp_path / "here", {"a": 1000.0, "b": 2.0})
    there = write_statistics(tmp_path / "there", means, rows)
    difference = statistics_differ(here, there)
    assert reported in difference
    assert bool(difference) == bool(reported)
