"""Pushing is atomic and numbered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.pusher import push as module
from components.pusher.push import push, versions
from contracts.errors import EnvironmentProblem


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def test_versions_count_up_and_hold_everything(tmp_path: Path, model_dir: Path) -> None:
    target = tmp_path / "serving" / "flights"
    warmup = tmp_path / "warmup"
    warmup.write_bytes(b"requests")
    assert push(model_dir, target, {"tf_serving_warmup_requests": warmup}) == target / "1"
    assert push(model_dir, target) == target / "2"
    assert versions(target) == [1, 2]
    assert (target / "1" / "variables" / "variables.index").read_bytes() == b"index"
    warm = target / "1" / "assets.extra" / "tf_serving_warmup_requests"
    assert warm.read_bytes() == b"requests"
    assert sorted(path.name for path in target.iterdir()) == ["1", "2"]


def test_versions_ignore_what_is_no_version(tmp_path: Path, model_dir: Path) -> None:
    target = tmp_path / "flights"
    (target / ".tmp-abc").mkdir(parents=True)
    (target / "latest").mkdir()
    (target / "41").mkdir()
    assert push(model_dir, target) == target / "42"


def test_a_faster_pusher_gets_the_version_and_we_the_next(
    tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "flights"
    answers = iter([[], [1]])
    (target / "1" / "taken").mkdir(parents=True)
    monkeypatch.setattr(module, "versions", lambda _: next(answers))
    assert push(model_dir, target) == target / "2"
    assert (target / "1" / "taken").is_dir()


def test_a_push_that_was_killed_before_it_was_recorded_is_not_repeated(
    tmp_path: Path, model_dir: Path
) -> None:
    target, facts = tmp_path / "flights", {"model": "abc", "source": "def"}
    first = push(model_dir, target, facts=facts)
    assert push(model_dir, target, facts=facts) == first
    assert versions(target) == [1]
    assert push(model_dir, target, facts=facts | {"source": "ghi"}) == target / "2"
    # Not the newest any more: to be served again, it must be pushed again.
    assert push(model_dir, target, facts=facts) == target / "3"


def test_what_a_killed_push_left_is_removed_in_time(tmp_path: Path, model_dir: Path) -> None:
    target = tmp_path / "flights"
    for name in (".tmp-old", ".tmp-new"):
        (target / name).mkdir(parents=True)
    os.utime(target / ".tmp-old", (1, 1))
    push(model_dir, target)
    assert sorted(path.name for path in target.iterdir()) == [".tmp-new", "1"]


def test_a_failed_copy_leaves_nothing(
    tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "flights"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_through", full)
    with pytest.raises(EnvironmentProblem, match="serving root"):
        push(model_dir, target)
    assert list(target.iterdir()) == []
