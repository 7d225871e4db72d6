"""Canaries before real sockets: bad ones go back by themselves, good ones are promoted.

Every test holds for both servers, Kelp's and a stand-in for TensorFlow Serving.
"""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from contracts.errors import KelpError
from serving.config import ServingSpec
from serving.production import write_server_files
from serving.release import controller, moves, traffic
from serving.release.config import BudgetSpec, ReleaseSpec
from serving.release.config_file import ModelEntry, read_config, write_config
from serving.release.controller import release, release_at_once, rollback
from serving.release.plan import Plan
from serving.release.server_view import ServerView
from serving.release.state import Release, read_releases
from serving.release.traffic import Place
from tests.integration.serving.stack import SERVERS, Stack, light_load, write_version

SPEC = ReleaseSpec(
    # Shared machines hiccup: these are bounds that only the bad canaries break.
    budget=BudgetSpec(requests=60, latency_ratio=3, latency_slack_ms=20, shift=0.25),
    watch_s=0.5,
    timeout_s=60,
    look_s=0.2,
    available_s=30,
    settle_s=0.4,
    recheck_s=1,
)
SHORT = SPEC.model_copy(update={"available_s": 2})


@pytest.fixture(params=SERVERS)
def kind(request):
    return request.param


@pytest.fixture
def stack(tmp_path, kind):
    stack = Stack(tmp_path, kind=kind)
    write_version(stack.root, 1)
    write_version(stack.root, 2)
    with stack:
        _until(lambda: _available(stack) == [2])
        yield stack


def _plan(stack, **changes):
    plan = {"place": Place("m", stack.root), "server": stack.server, "proxy": stack.proxy}
    return Plan(**{**plan, "spec": SPEC, **changes})


def _available(stack, name="m"):
    status = httpx.get(f"{stack.server}/v1/models/{name}", trust_env=False).json()
    states = status.get("model_version_status", ())
    return sorted(int(one["version"]) for one in states if one["state"] == "AVAILABLE")


def _until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_good_canary_is_promoted_and_the_promotion_taken_back_without_a_failed_request(stack):
    received = []
    with light_load(stack.proxy, stack.proxy, stack.server) as statuses:
        outcome = release(_plan(stack), 50, received.append)
        assert (outcome.result, outcome.stable, outcome.status) == ("promoted", 2, 0), outcome
        _until(lambda: _available(stack) == [2])
        back = rollback(_plan(stack), received.append)
        assert (back.result, back.stable, back.other, back.status) == ("rolled back", 1, 2, 0)
        assert _available(stack) == [1]
    assert set(statuses) == {200}, statuses.messages
    assert sum(statuses.values()) > 200
    assert read_releases(stack.root / "releases.json") == {"m": Release(stable=1, rejected=(2,))}
    entry = read_config(stack.root / "models.config")["m"]
    assert (entry.versions, entry.labels) == ((1,), {"stable": 1})
    assert entry.base_path == str(stack.root / "m")
    assert any("canary 2 with 50 %" in line for line in received)
    assert [line.split(" stable")[0].strip() for line in outcome.lines()[1:]] == [
        "errors",
        "latency p50",
        "latency p95",
        "shift",
    ]
    with pytest.raises(KelpError, match="no new version"):
        release(_plan(stack), 50, received.append)


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
    with pytest.raises(KelpError, match="under way"):
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
    with pytest.raises(KelpError, match="no version of m to return to"):
        rollback(_plan(stack, proxy=None), lambda line: None)


def test_what_is_away_is_reported_before_anything_changes(stack):
    names = sorted(one.name for one in stack.root.iterdir())
    for changes in ({"server": "http://127.0.0.1:9"}, {"proxy": "http://127.0.0.1:9"}):
        with pytest.raises(KelpError):
            release(_plan(stack, **changes), 10, lambda line: None)
    for percent in (0, 100):
        with pytest.raises(KelpError, match="part of the traffic"):
            release(_plan(stack), percent, lambda line: None)
    other = _plan(stack, place=Place("other", stack.root))
    with pytest.raises(KelpError, match="no model 'other'"):
        release(other, 10, lambda line: None)
    assert sorted(one.name for one in stack.root.iterdir()) == names


def test_neighbours_in_models_config_stay(tmp_path, kind):
    stack = Stack(tmp_path, kind=kind)
    other = stack.root / "other"
    for version in (1, 2):
        write_version(stack.root, version)
    other.mkdir()
    write_version(tmp_path / "elsewhere", 1).rename(other / "1")
    neighbour = ModelEntry("other", str(other), latest=2)
    write_config(stack.config, [neighbour, ModelEntry("m", str(stack.root / "m"))])
    with stack:
        _until(lambda: _available(stack) == [2])
        rollback(_plan(stack), lambda line: None)
        assert _available(stack, "other") == [1]
    assert read_config(stack.config)["other"] == neighbour
    assert read_config(stack.config)["m"].versions == (1,)


def _break(monkeypatch, failure):
    """Has a release fail at one of its steps."""

    if failure == "no label":
        monkeypatch.setattr(ServerView, "labelled", lambda *_: None)
    elif failure == "no proxy":
        monkeypatch.setattr(ServerView, "follows", lambda *_: False)
    elif failure == "disk":
        problem = KelpError("releases.json cannot be written.")
        monkeypatch.setattr(traffic, "write_release", lambda *_: _fail(problem))
    else:
        monkeypatch.setattr(controller, "_watch", lambda *_: _fail(failure))


def _fail(error):
    raise error


def _files(stack):
    config = read_config(stack.config).get("m") if stack.config.exists() else None
    return config, read_releases(stack.root / "releases.json"), stack.config.exists()


@pytest.mark.parametrize("is_released", [False, True], ids=["first", "later"])
def test_a_release_that_fails_leaves_what_was_there_before(stack, monkeypatch, is_released):
    if is_released:
        release_at_once(_plan(stack, version=1), lambda line: None)
    before, served = _files(stack), _available(stack)
    failures = ["no label", "no proxy", "disk", KeyboardInterrupt(), ZeroDivisionError("a bug")]
    # No canary waits for its requests here: a few in each moment show whether any fails.
    with light_load(stack.proxy, pause_s=0.03) as statuses:
        for failure in failures:
            lines = []
            with monkeypatch.context() as patch:
                _break(patch, failure)
                if isinstance(failure, ZeroDivisionError):
                    with pytest.raises(ZeroDivisionError):
                        release(_plan(stack, spec=SHORT), 50, lines.append)
                else:
                    outcome = release(_plan(stack, spec=SHORT), 50, lines.append)
                    assert (outcome.result, outcome.status) == ("failed", 1), outcome
                    assert outcome.stable == served[0]
                    assert "the release failed" in outcome.lines()[0]
            assert _files(stack) == before
            assert any("as they were before" in line for line in lines)
            _until(lambda: _available(stack) == served)
    assert set(statuses) == {200}, statuses.messages


def test_a_release_that_cannot_be_restored_says_so(stack, monkeypatch):
    monkeypatch.setattr(ServerView, "follows", lambda *_: False)
    full = KelpError("models.config cannot be written.", received="no space left")
    monkeypatch.setattr(moves, "restore_message", lambda *_: _fail(full))
    lines = []
    outcome = release(_plan(stack, spec=SHORT), 50, lines.append)
    assert (outcome.result, outcome.status) == ("not restored", 1)
    assert "cannot be restored" in outcome.reason
    assert "no space left" in outcome.reason
    assert "left traces" in outcome.lines()[0]


def test_a_rollback_that_fails_leaves_what_was_there_before(stack, monkeypatch):
    before = _files(stack)
    with monkeypatch.context() as patch:
        _break(patch, "no proxy")
        with pytest.raises(KelpError, match="the proxy to follow"):
            rollback(_plan(stack, spec=SHORT), lambda line: None)
    assert _files(stack) == before
    _until(lambda: _available(stack) == [2])


def test_a_first_canary_gets_no_traffic_between_its_push_and_its_release(tmp_path, kind):
    stack = Stack(tmp_path, kind=kind)
    write_version(stack.root, 1)
    # As `kelp tf-serving` does it; with Kelp's server, `kelp release --at-once`.
    if kind == "tensorflow-serving":
        write_server_files(stack.root, stack.root, ServingSpec(), str(stack.root))
    with stack:
        _until(lambda: _available(stack) == [1])
        if kind == "embedded":
            outcome = release_at_once(_plan(stack, proxy=None), lambda line: None)
            assert (outcome.result, outcome.stable, outcome.other) == ("released", 1, None)
        write_version(stack.root, 2, shift=0.5)
        time.sleep(1)
        for url in (stack.proxy, stack.server):
            assert _answer(url) == 0.25
        assert _available(stack) == [1]
        outcome = release(_plan(stack, spec=SHORT.model_copy(update={"timeout_s": 0.3})), 1, print)
        assert (outcome.result, outcome.stable, outcome.other) == ("went back", 1, 2)
        assert _answer(stack.proxy) == 0.25
        with pytest.raises(KelpError, match="no new version"):
            release(_plan(stack), 50, print)


def test_the_only_version_of_a_model_is_no_canary(tmp_path, kind):
    stack = Stack(tmp_path, kind=kind)
    write_version(stack.root, 1)
    with stack:
        _until(lambda: _available(stack) == [1])
        with pytest.raises(KelpError, match="no version of m to release") as problem:
            release(_plan(stack), 50, print)
        assert "None" not in str(problem.value)
        assert "--at-once" in str(problem.value)


def test_an_error_of_an_earlier_attempt_is_not_taken_for_one_of_this(stack):
    release_at_once(_plan(stack), lambda line: None)
    folder = write_version(stack.root, 3, broken=1)
    outcome = release(_plan(stack), 40, lambda line: None)
    assert (outcome.result, outcome.other) == ("went back", 3)
    (folder / "saved_model.pb").write_text("{}")
    outcome = release_at_once(_plan(stack, version=3), lambda line: None)
    assert (outcome.result, outcome.stable, outcome.other) == ("released", 3, 2)
    assert _available(stack) == [3]


def _answer(url):
    answer = httpx.post(
        f"{url}/v1/models/m:predict", json={"inputs": {"x": [0.25]}}, trust_env=False
    )
    return answer.json()["outputs"][0]
