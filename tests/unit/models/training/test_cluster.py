"""Which machines train together, as TF_CONFIG says it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.errors import ConfigError
from models.training.cluster import find_cluster


def _config(kind: str, index: int, **jobs: Any) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


def test_the_first_worker_or_the_chief_writes() -> None:
    both = ["a:1", "b:1"]
    first, second = (find_cluster(_config("worker", index, worker=both)) for index in (0, 1))
    assert first is not None
    assert second is not None
    assert (first.is_chief, second.is_chief) == (True, False)
    chief = find_cluster(_config("chief", 0, chief=["c:1"], worker=both))
    worker = find_cluster(_config("worker", 0, chief=["c:1"], worker=both))
    assert chief is not None
    assert worker is not None
    assert chief.workers == worker.workers == ("c:1", "a:1", "b:1")
    assert (chief.place, worker.place) == (0, 1)


@pytest.mark.parametrize("environment", [{}, {"TF_CONFIG": " "}])
def test_without_a_cluster_this_machine_trains_alone(environment: dict[str, str]) -> None:
    assert find_cluster(environment) is None
    assert find_cluster(_config("worker", 0, worker=["a:1"])) is None


@pytest.mark.parametrize(
    ("environment", "received"),
    [
        ({"TF_CONFIG": "worker=2"}, "JSONDecodeError"),
        ({"TF_CONFIG": "{}"}, "'cluster'"),
        ({"TF_CONFIG": "[]"}, "TypeError"),
        (_config("worker", 2, worker=["a:1", "b:1"]), "task worker 2"),
        (_config("evaluator", 0, worker=["a:1", "b:1"]), "task evaluator 0"),
        (_config("worker", 0, worker=["a:1", "b:1"], ps=["c:1"]), "jobs ps, worker"),
    ],
)
def test_a_cluster_that_cannot_be_read_is_refused(
    environment: dict[str, str], received: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        find_cluster(environment)
    assert received in caught.value.received
    assert len(caught.value.lines()) <= 10
