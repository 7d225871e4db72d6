"""A run is found by folder, id, name, config, or as the latest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contracts.errors import ConfigError
from pipelines.runs.find import find_run, look_for_run


def _run(root: Path, name: str, run: str) -> Path:
    folder = root / "runs" / name / run
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text("{}")
    latest = folder.parent / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(run)
    return folder.resolve()


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_way_to_name_a_run(tmp_path: Path) -> None:
    first, second = _run(tmp_path, "demo", "one"), _run(tmp_path, "demo", "two")
    assert find_run("one") == find_run("runs/demo/one") == look_for_run("one", "demo") == first
    assert find_run("demo/one") == first
    assert find_run(None) == find_run("latest") == find_run("demo") == second
    (tmp_path / "demo.yaml").write_text(
        "name: demo\ntask: binary\nlabel: {name: y}\nfeatures: {x: {type: numeric}}\n"
        "data: {path: data.csv}\n"
    )
    assert find_run("demo.yaml") == second


def test_of_two_pipelines_the_latest_run_is_meant(tmp_path: Path) -> None:
    newest, older = _run(tmp_path, "demo", "two"), _run(tmp_path, "other", "one")
    os.utime(older / "summary.json", (1, 1))
    assert find_run(None) == find_run("latest") == newest
    assert look_for_run(None, "other") == find_run("other") == older


def test_a_run_id_of_two_pipelines_must_be_named(tmp_path: Path) -> None:
    _run(tmp_path, "demo", "one")
    other = _run(tmp_path, "other", "one")
    with pytest.raises(ConfigError) as caught:
        find_run("one")
    assert "other" in caught.value.expected
    assert look_for_run("one", "other") == other


def test_an_unknown_run_is_reported_with_the_known_ones(tmp_path: Path) -> None:
    _run(tmp_path, "demo", "20260101-000000")
    with pytest.raises(ConfigError, match="no run 'dmo'") as caught:
        find_run("dmo")
    assert caught.value.fix == "did you mean 'demo'?"
    assert look_for_run("20260101-000001", "demo") is None
    assert look_for_run("3", None) is None


def test_no_run_at_all_says_how_to_make_one() -> None:
    with pytest.raises(ConfigError, match="there is no run") as caught:
        find_run(None)
    assert caught.value.fix == "kelp run CONFIG"
