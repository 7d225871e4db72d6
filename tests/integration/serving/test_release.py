"""Canaries before real sockets: bad ones go back by themselves, good ones are promoted."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from serving.errors import ServingProblem
from serving.release.config import BudgetSpec, ReleaseSpec
from serving.release.config_file import ModelEntry, read_config
from serving.release.controller import Plan, release, rollback
from serving.release.state import Release, read_releases
from serving.release.traffic import Place
from tests.integration.serving.stack import Stack, light_load, write_version

SPEC = ReleaseSpec(
    # Shared machines hiccup: these are bounds that only the bad canaries break.
    budget=BudgetSpec(requests=60, latency_ratio=3, latency_slack_ms=20, shift=0.25),
    watch_s=0.5,
    timeout_s=60,
    look_s=0.2,
    available_s=30,
)


@pytest.fixture
def stack(tmp_path):
    stack = Stack(tmp_path)
    write_version(stack.root, 1)
    write_version(stack.root, 2)
    with stack:
        _until(lambda: _available(stack) == [2])
        yield stack


def _plan(stack, **changes):
    plan = {"place": Place("m", stack.root), "server": stack.server, "proxy": stack.proxy}
    return Plan(**{**plan, "spec": SPEC, **changes})


def _available(stack):
    told = httpx.get(f"{stack.server}/v1/models/m", trust_env=False).json()
    states = told.get("model_version_status", ())
    return sorted(int(one["version"]) for one in states if one["state"] == "AVAILABLE")


def _until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_good_canary_is_promoted_and_the_promotion_taken_back_without_a_failed_request(stack):
    told = []
    with light_load(stack.proxy, stack.proxy, stack.server) as statuses:
        outcome = release(_plan(stack), 50, told.append)
        assert (outcome.result, outcome.stable, outcome.status) == ("promoted", 2, 0), outcome
        _until(lambda: _available(stack) == [2])
        back = rollback(_plan(stack), told.append)
        assert (back.result, back.stable, back.other, back.status) == ("rolled back", 1, 2, 0)
        assert _available(stack) == [1]
    assert set(statuses) == {200}, statuses.messages
    assert sum(statuses.values()) > 200
    assert read_releases(stack.root / "releases.json") == {"m": Release(stable=1, rejected=(2,))}
    entry = read_config(stack.root / "models.config")["m"]
    assert (entry.versions, entry.labels) == ((1,), {"stable": 1})
    assert entry.base_path == str(stack.root / "m")
    assert any("canary 2 with 50 %" in line for line in told)
    assert [line.split(" stable")[0].strip() for line in outcome.lines()[1:]] == [
        "errors",
        "latency p50",
        "latency p95",
        "shift",
    ]
    with pytest.raises(ServingProblem, match="no new version"):
        release(_plan(stack), 50, told.append)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ({"sleep_s": 0.1}, "latency"),
        ({"error_share": 0.3}, "errors"),
        ({"shift": 0.5}, "shift"),
        ({"broken": 1}, "cannot be loaded"),
    ],
    ids=["slow", "erring", "shifted", "broken"],
)
def test_a_bad_canary_goes_back_by_itself(stack, behaviour, reason):
    write_version(stack.root, 3, **behaviour)
    with light_load(stack.proxy, stack.proxy) as statuses:
        outcome = release(_plan(stack), 40, lambda line: None)
        assert (outcome.result, outcome.stable, outcome.other) == ("went back", 2, 3), outcome
        assert outcome.status != 0
        assert reason in outcome.reason
        assert outcome.lines()[0].startswith("m: version 3 went back")
        _until(lambda: _available(stack) == [2])
        before = sum(statuses.values())
        _until(lambda: sum(statuses.values()) > before + 20)
    if "error_share" in behaviour:
        assert set(statuses) == {200, 500}
    else:
        assert set(statuses) == {200}, statuses.messages
    assert read_releases(stack.root / "releases.json")["m"] == Release(stable=2, rejected=(3,))
    assert read_config(stack.root / "models.config")["m"].labels == {"stable": 2}


def test_a_canary_without_traffic_goes_back_in_the_end(stack):
    spec = SPEC.model_copy(update={"timeout_s": 0.5})
    outcome = release(_plan(stack, spec=spec), 50, lambda line: None)
    assert outcome.result == "went back"
    assert "had not shown itself good" in outcome.reason


def test_a_rollback_takes_a_running_canary_back(stack):
    outcomes = []
    thread = threading.Thread(
        target=lambda: outcomes.append(release(_plan(stack), 50, lambda line: None))
    )
    thread.start()
    path = stack.root / "releases.json"
    _until(lambda: read_releases(path).get("m", Release(stable=0)).canary == 2)
    with pytest.raises(ServingProblem, match="under way"):
        release(_plan(stack), 50, lambda line: None)
    back = rollback(_plan(stack), lambda line: None)
    thread.join(60)
    assert (back.result, back.stable, back.other) == ("rolled back", 1, 2)
    assert outcomes[0].result == "given up"
    assert read_releases(path)["m"] == Release(stable=1, rejected=(2,))
    _until(lambda: _available(stack) == [1])


def test_a_rollback_needs_no_proxy(stack):
    spec = SPEC.model_copy(update={"settle_s": 0.2})
    back = rollback(_plan(stack, proxy=None, spec=spec), lambda line: None)
    assert (back.stable, back.other) == (1, 2)
    with pytest.raises(ServingProblem, match="no version of m to return to"):
        rollback(_plan(stack, proxy=None), lambda line: None)


def test_what_is_away_is_told_before_anything_changes(stack):
    for changes in ({"server": "http://127.0.0.1:9"}, {"proxy": "http://127.0.0.1:9"}):
        with pytest.raises(ServingProblem):
            release(_plan(stack, **changes), 10, lambda line: None)
    for percent in (0, 100):
        with pytest.raises(ServingProblem, match="part of the traffic"):
            release(_plan(stack), percent, lambda line: None)
    other = _plan(stack, place=Place("other", stack.root))
    with pytest.raises(ServingProblem, match="no model 'other'"):
        release(other, 10, lambda line: None)
    assert sorted(one.name for one in stack.root.iterdir()) == ["m"]


def test_neighbours_in_models_config_stay_and_tell_where_models_are(stack):
    from serving.release.config_file import write_config

    other = ModelEntry("other", "/models/other", latest=2)
    write_config(stack.root / "models.config", [other])
    rollback(_plan(stack), lambda line: None)
    entries = read_config(stack.root / "models.config")
    assert entries["other"] == other
    assert entries["m"].base_path == "/models/m"
