"""Versions come and go under light load on loopback, and no client sees an error."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.serving.served import ROW, ServerProcess, eventually, publish

SWAPS = 20
PATH = "/v1/models/scale:predict"


@pytest.fixture
def served(tmp_path: Path, models: list[Path]) -> Iterator[ServerProcess]:
    (tmp_path / "serving_models" / "scale").mkdir(parents=True)
    publish(models[0], tmp_path / "serving_models" / "scale" / "1")
    server = ServerProcess(tmp_path, {"poll_s": 0.2})
    try:
        yield server.ready()
    finally:
        server.stop()


@contextmanager
def light_load(server: ServerProcess, clients: int = 2) -> Iterator[Counter[tuple[int, float]]]:
    """Some requests a second from each client; what was answered, by status and value."""
    seen: Counter[tuple[int, float]] = Counter()
    ended = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while not ended.wait(0.03):
            connection.request("POST", PATH, ROW)
            answer = connection.getresponse()
            content = json.loads(answer.read())
            rows = content.get("predictions", [{"scaled": 0.0}])
            seen[answer.status, rows[0]["scaled"]] += 1
        connection.close()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)


def test_swaps_under_load(served: ServerProcess, tmp_path: Path, models: list[Path]) -> None:
    root = tmp_path / "serving_models" / "scale"
    with light_load(served) as seen:
        for version in range(2, SWAPS + 2):
            publish(models[(version - 1) % 2], root / str(version))
            eventually(lambda now=version: served.states("scale").get(str(now)) == "AVAILABLE")
            shutil.rmtree(root / str(version - 1))
        eventually(lambda: list(served.states("scale").values()).count("AVAILABLE") == 1)
    assert {status for status, _ in seen} == {200}
    assert {value for _, value in seen} == {2.0, 4.0}
    assert sum(seen.values()) > SWAPS
    assert served.log_events().count("available") == SWAPS + 1
    eventually(lambda: served.log_events().count("unloaded") == SWAPS)


def test_corrupt_versions_under_load(
    served: ServerProcess, tmp_path: Path, models: list[Path]
) -> None:
    root = tmp_path / "serving_models" / "scale"

    def half(version: int) -> Path:
        folder = root / str(version)
        shutil.copytree(models[1], folder)
        return folder

    with light_load(served) as seen:
        data = next(half(2).glob("variables/variables.data*"))
        data.write_bytes(data.read_bytes()[:1])
        (half(3) / "saved_model.pb").write_bytes(b"no protocol buffer")
        shutil.rmtree(half(4) / "variables")
        (half(5) / "saved_model.pb").unlink()
        (root / "6").mkdir()
        failed = {"2", "3", "4", "5", "6"}
        eventually(lambda: {k for k, v in served.states("scale").items() if v == "END"} == failed)
        time.sleep(0.5)
    assert set(seen) == {(200, 2.0)}
    answer = served.get("/v1/models/scale")[1]["model_version_status"]
    for one in answer:
        assert (one["status"]["error_code"] == "OK") == (one["version"] == "1")
        assert bool(one["status"]["error_message"]) == (one["version"] != "1")
    assert served.get("/readyz")[0] == 200
    with light_load(served) as seen:
        shutil.rmtree(root / "6")
        shutil.copytree(models[1], root / "6")
        eventually(lambda: served.states("scale").get("6") == "AVAILABLE")
        time.sleep(0.5)
    assert {status for status, _ in seen} == {200}
    assert served.get(PATH, ROW)[1]["predictions"][0]["scaled"] == 4.0
