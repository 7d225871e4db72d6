"""scripts/schedulers.py: what `make test` does about systemd-analyze and crontab."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import schedulers


class Machine:
    """A machine with Debian's tools; it lists what it ran."""

    def __init__(self):
        self.tools = {"apt-get"}
        self.ran = []

    def which(self, name):
        if isinstance(name, str):
            return name if name in self.tools else None
        return name if name.exists() else None

    def run(self, command, **more):
        words = [str(word) for word in command]
        self.ran.append(" ".join(words[4:] if words[0] == "apt-get" else words[:2]))
        if "install" in words:
            self.tools.add("systemd-analyze")
        elif "download" in words:
            Path(more["cwd"], "cron_1_amd64.deb").touch()
        elif words[0] == "dpkg":
            unpacked = Path(words[-1], "usr", "bin", "crontab")
            unpacked.parent.mkdir(parents=True)
            unpacked.write_text("#!/bin/sh\n")
            unpacked.chmod(0o755)
        return SimpleNamespace(returncode=0)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    made = Machine()
    monkeypatch.setattr(schedulers, "CRONTAB", tmp_path / "tools" / "crontab")
    monkeypatch.setattr(schedulers.shutil, "which", made.which)
    monkeypatch.setattr(schedulers.subprocess, "run", made.run)
    monkeypatch.setattr(schedulers.os, "geteuid", lambda: 0)
    return made


def test_root_gets_what_is_missing_once(machine, capsys):
    assert schedulers.main({}) == 0
    assert machine.ran == [
        "update",
        "install -y --no-install-recommends systemd",
        "download cron",
        "dpkg --extract",
    ]
    assert schedulers.main({}) == 0
    assert len(machine.ran) == 4
    assert capsys.readouterr().err == ""


def test_others_are_asked_to_install_it(machine, monkeypatch, capsys):
    monkeypatch.setattr(schedulers.os, "geteuid", lambda: 1000)
    machine.tools.add("systemd-analyze")
    assert schedulers.main({}) == 1
    assert machine.ran == []
    printed = capsys.readouterr().err
    assert "missing: crontab: apt-get install cron;" in printed
    assert "KELP_NO_SCHEDULERS=1" in printed


def test_does_without_where_that_is_asked(machine):
    assert schedulers.main({"KELP_NO_SCHEDULERS": "1"}) == 0
    assert machine.ran == []
