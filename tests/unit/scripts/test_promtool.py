"""scripts/promtool.py: what `make test` does about promtool."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import promtool


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with Debian's tools and without promtool; gives the commands it ran."""
    ran = []

    def run(command, **more):
        ran.append([str(word) for word in command])
        if "--extract" in command:
            found = Path(command[-1], "usr", "bin", "promtool")
            found.parent.mkdir(parents=True)
            found.write_text("#!/bin/sh\n")
            found.chmod(0o755)
        elif "download" in command:
            Path(more["cwd"], "prometheus_1_amd64.deb").touch()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(promtool, "TOOL", tmp_path / "tools" / "promtool")
    which = {"apt-get": "apt-get", "dpkg": "dpkg"}
    monkeypatch.setattr(
        promtool.shutil,
        "which",
        lambda name: which.get(name) if isinstance(name, str) else name if name.exists() else None,
    )
    monkeypatch.setattr(promtool.subprocess, "run", run)
    return ran


def test_takes_the_tool_out_of_the_package_and_installs_nothing(bare, tmp_path):
    assert promtool.main({}) == 0
    assert (tmp_path / "tools" / "promtool").stat().st_mode & 0o111
    assert bare[0][-2:] == ["download", "prometheus"]
    assert not any("install" in command for command in bare)
    assert promtool.main({}) == 0
    assert len(bare) == 2


def test_looks_what_there_is_where_root_has_not_yet(bare, monkeypatch):
    outcomes = iter([100, 0, 0])

    def run(command, **more):
        bare.append(command[-1])
        return SimpleNamespace(returncode=next(outcomes))

    monkeypatch.setattr(promtool.subprocess, "run", run)
    monkeypatch.setattr(promtool.os, "geteuid", lambda: 0)
    assert promtool.download(".", {}) is True
    assert bare == ["prometheus", "update", "prometheus"]


def test_others_than_root_do_not_look(bare, monkeypatch):
    monkeypatch.setattr(
        promtool.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=100)
    )
    monkeypatch.setattr(promtool.os, "geteuid", lambda: 1000)
    assert promtool.download(".", {}) is False


def test_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(promtool, "TOOL", tmp_path / "promtool")
    monkeypatch.setattr(promtool.shutil, "which", lambda name: None)
    assert promtool.main({}) == 1
    told = capsys.readouterr().err
    assert "apt-get install prometheus" in told
    assert "KELP_NO_PROMTOOL=1" in told
    assert len(told.splitlines()) == 1


def test_can_be_told_to_do_without(bare):
    assert promtool.main({"KELP_NO_PROMTOOL": "1"}) == 0
    assert bare == []
