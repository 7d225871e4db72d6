"""scripts/promtool.py: what `make test` does about promtool."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import promtool


class Machine:
    """A machine with Debian's tools and without promtool.

    Attributes:
      packages: What can be downloaded; the keys say which of them holds promtool.
      updated: What can be downloaded after `apt-get update`.
      ran: The commands it ran, without options.
    """

    def __init__(self, tools):
        self.tools = tools
        self.packages = {"prometheus": True}
        self.updated = {}
        self.ran = []

    def which(self, name):
        if isinstance(name, str):
            return name if name in ("apt-get", "dpkg") else None
        return name if name.exists() else None

    def run(self, command, **more):
        words = [str(word) for word in command]
        if words[0] == "dpkg":
            self.extract(Path(words[-2]), Path(words[-1]))
            return SimpleNamespace(returncode=0, stderr="")
        self.ran.append(" ".join(words[4:]))
        if words[-1] == "update":
            self.packages |= self.updated
        elif words[-1] not in self.packages:
            return SimpleNamespace(returncode=100, stderr=f"E: no {words[-1]}\n")
        else:
            Path(more["cwd"], f"{words[-1]}_1_amd64.deb").touch()
        return SimpleNamespace(returncode=0, stderr="")

    def extract(self, package, folder):
        self.ran.append("dpkg")
        if self.packages[package.name.split("_")[0]]:
            found = folder / "usr" / "bin" / "promtool"
            found.parent.mkdir(parents=True)
            found.write_text("#!/bin/sh\n")
            found.chmod(0o755)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    made = Machine(tmp_path / "tools")
    monkeypatch.setattr(promtool, "TOOL", made.tools / "promtool")
    monkeypatch.setattr(promtool.shutil, "which", made.which)
    monkeypatch.setattr(promtool.subprocess, "run", made.run)
    monkeypatch.setattr(promtool.os, "geteuid", lambda: 0)
    return made


def test_takes_the_tool_out_of_the_package_and_installs_nothing(machine, capsys):
    assert promtool.main({}) == 0
    assert (machine.tools / "promtool").stat().st_mode & 0o111
    before = ["download promtool", "download prometheus", "dpkg"]
    assert machine.ran == before
    assert promtool.main({}) == 0
    assert machine.ran == before
    assert capsys.readouterr().err == ""


def test_takes_it_out_of_the_package_of_its_own_that_debian_13_has(machine):
    """There, prometheus holds it no more."""
    machine.packages = {"promtool": True, "prometheus": False}
    assert promtool.main({}) == 0
    assert machine.ran == ["download promtool", "dpkg"]
    assert (machine.tools / "promtool").is_file()


def test_looks_what_there_is_where_root_has_not_yet(machine):
    machine.packages, machine.updated = {}, {"promtool": True}
    assert promtool.main({}) == 0
    assert machine.ran[2:] == ["update", "download promtool", "dpkg"]


def test_others_than_root_do_not_look(machine, monkeypatch, capsys):
    machine.packages = {}
    monkeypatch.setattr(promtool.os, "geteuid", lambda: 1000)
    assert promtool.main({}) == 1
    assert "update" not in machine.ran
    assert "E: no prometheus" in capsys.readouterr().err


def test_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(promtool, "TOOL", tmp_path / "promtool")
    monkeypatch.setattr(promtool.shutil, "which", lambda name: None)
    assert promtool.main({}) == 1
    printed = capsys.readouterr().err
    assert "apt-get install promtool or prometheus" in printed
    assert "KELP_NO_PROMTOOL=1" in printed
    assert len(printed.splitlines()) == 1


def test_does_without_where_that_is_asked(machine):
    assert promtool.main({"KELP_NO_PROMTOOL": "1"}) == 0
    assert machine.ran == []
