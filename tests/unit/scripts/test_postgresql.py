"""scripts/postgresql.py: what `make test` does about PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import postgresql


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has nothing and installs nothing."""
    monkeypatch.setattr(postgresql, "DEBIAN", tmp_path / "postgresql")
    monkeypatch.setattr(postgresql, "CLUSTERS", tmp_path / "createcluster.conf")
    monkeypatch.setattr(postgresql.shutil, "which", lambda name: None)
    return tmp_path / "postgresql"


def have(debian: Path, version: str, *programs: str) -> Path:
    folder = debian / version / "bin"
    folder.mkdir(parents=True)
    for name in programs:
        (folder / name).touch()
    return folder


def test_says_what_to_install(debian: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert postgresql.main({}) == 1
    printed = capsys.readouterr().err
    assert "apt-get install postgresql" in printed
    assert "KELP_NO_POSTGRESQL=1" in printed
    assert len(printed.splitlines()) == 1
    assert postgresql.main({"KELP_NO_POSTGRESQL": "1"}) == 0


def test_the_newest_whole_one_is_found(
    debian: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(debian, "17", "initdb")
    elsewhere = have(tmp_path, "elsewhere", "initdb", "pg_ctl")
    assert postgresql.find() is None
    monkeypatch.setattr(postgresql.shutil, "which", lambda name: str(elsewhere / name))
    assert postgresql.find() == elsewhere
    have(debian, "9.6", "initdb", "pg_ctl")
    newer = have(debian, "15", "initdb", "pg_ctl")
    assert postgresql.find() == newer
    assert postgresql.main({}) == 0


def test_installs_as_root_and_starts_nothing(debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []

    class Done:
        returncode = 0

    def run(command: list[str], **_: object) -> Done:
        if command[-1] == "postgresql":
            assert "create_main_cluster = false" in postgresql.CLUSTERS.read_text()
            have(debian, "15", "initdb", "pg_ctl")
        elif command[-1] == "postgresql-common":
            postgresql.CLUSTERS.write_text("#create_main_cluster = true\n")
        commands.append(command[-1])
        return Done()

    monkeypatch.setattr(postgresql.os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        postgresql.shutil, "which", lambda name: name if name == "apt-get" else None
    )
    monkeypatch.setattr(postgresql.subprocess, "run", run)
    assert postgresql.main({}) == 0
    assert commands == ["-qq", "postgresql-common", "postgresql"]
    assert postgresql.CLUSTERS.read_text().count("create_main_cluster = false") == 1
