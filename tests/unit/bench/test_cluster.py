"""What the bench of a cluster calls the same, and what not."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from bench.cluster import statistics_differ
from bench.flink_cluster import wait_for


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


class _Page(BaseHTTPRequestHandler):
    """Counts one worker more at each look."""

    workers = 0

    def do_GET(self) -> None:
        type(self).workers += 1
        content = json.dumps({"workers": self.workers}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keeps what the tests print clean."""


def test_a_cluster_is_waited_for_until_all_workers_are_there(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_port}"
        wait_for("Flink", page, "workers", 2, tmp_path)
        server.shutdown()
    assert _Page.workers == 2
    with pytest.raises(SystemExit, match="Spark has not started after 0 s: see"):
        wait_for("Spark", page, "workers", 2, tmp_path, timeout_s=0.1)
