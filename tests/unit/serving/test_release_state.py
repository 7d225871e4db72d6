from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from contracts.errors import KelpError
from serving.release.state import Release, ReleaseWatcher, read_releases, write_release


def test_releases_are_put_down_by_model(tmp_path):
    path = tmp_path / "releases.json"
    assert read_releases(path) == {}
    write_release(path, "b", Release(stable=3, canary=4, canary_percent=10))
    write_release(path, "a", Release(stable=1, previous=0, rejected=(2,)))
    assert json.loads(path.read_text())["b"] == {
        "stable": 3,
        "canary": 4,
        "canary_percent": 10.0,
        "rejected": [],
    }
    assert read_releases(path)["a"] == Release(stable=1, previous=0, rejected=(2,))
    assert [one.name for one in tmp_path.iterdir()] == ["releases.json"]


@pytest.mark.parametrize("text", ["{", '{"m": {}}', '{"m": {"stable": 1, "cannary": 2}}', "\xff"])
def test_a_broken_file_is_reported_and_not_replaced(tmp_path, text):
    path = tmp_path / "releases.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(KelpError, match=r"releases\.json"):
        write_release(path, "m", Release(stable=1))
    assert path.read_bytes() == text.encode("latin-1")


def test_the_watcher_sees_changes_and_outlives_broken_ones(tmp_path):
    path, now = tmp_path / "releases.json", [0.0]
    watcher = ReleaseWatcher(path, lambda: now[0])
    assert watcher.get("m") is None
    write_release(path, "m", Release(stable=1))
    assert watcher.get("m") is None
    now[0] += 1
    assert watcher.get("m") == Release(stable=1)
    path.write_text("{")
    now[0] += 1
    assert watcher.get("m") == Release(stable=1)
    path.unlink()
    now[0] += 1
    assert watcher.get("m") is None
    assert ReleaseWatcher(None).get("m") is None


def test_a_release_bounds_its_share():
    with pytest.raises(ValidationError):
        Release(stable=1, canary=2, canary_percent=101)
