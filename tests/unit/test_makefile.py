"""make's targets, and the setup that they begin with."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
TARGETS = (
    "setup",
    "train",
    "serve",
    "test",
    "test-quick",
    "check",
    "bench",
    "schemas",
    "lock",
    "clean",
)


def make(*arguments: str) -> str:
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / "scripts" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/setup.py, at work in a folder of its own, in which nothing gets installed."""
    module = load()
    (tmp_path / "requirements.lock").write_text("click==8.1.0\n")
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(module, "TOOLS", tmp_path / ".venv" / ".setup")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / ".setup" / "done")
    monkeypatch.setattr(module, "PLACE", tmp_path / ".venv" / ".setup" / "place")
    monkeypatch.setattr(module, "find_uv", lambda: "uv")
    monkeypatch.setattr(module, "require_machine", lambda: None)
    return module


@pytest.fixture
def commands(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that setup would have run."""
    ran: list[list[str]] = []
    monkeypatch.setattr(setup, "run", ran.append)
    return ran


def test_help_names_every_target_and_is_the_default() -> None:
    result = make()
    assert result == make("help")
    assert all(f"make {target}" in result for target in TARGETS)


@pytest.mark.parametrize("target", ["train", "serve", "test", "test-quick", "check", "bench"])
def test_targets_set_up_first(target: str) -> None:
    lines = make("--dry-run", target)
    assert 0 < lines.find("scripts/setup.py") < lines.find(".venv/bin")


def test_the_lock_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > lock.count("==")
    locked = {line.split("==")[0] for line in lock.splitlines() if "==" in line}
    wanted = {Requirement(one).name for one in importlib.metadata.requires("kelp-mlops") or []}
    assert wanted - locked == set()


def test_setup_once_and_again_when_stale(setup: ModuleType, commands: list[list[str]]) -> None:
    assert setup.main([]) == 0
    assert [command[:3] for command in commands] == [
        ["uv", "pip", "sync"],
        ["uv", "pip", "install"],
    ]
    assert "--compile-bytecode" in commands[0]
    assert (setup.VENV / "bin" / "python").exists()
    assert setup.main([]) == 0
    assert len(commands) == 2
    kept = setup.VENV / "kept"
    kept.touch()
    setup.LOCK.write_text("click==8.2.0\n")
    assert setup.main([]) == 0
    assert len(commands) == 4
    assert kept.exists()


def test_interrupted_setup_is_not_done(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(command: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "run", interrupt)
    assert setup.main([]) == 130
    assert not setup.is_fresh()
    monkeypatch.undo()
    assert "interrupted" in capsys.readouterr().err


def test_a_failed_command_is_not_done(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "find_uv", lambda: "false")
    assert setup.main([]) == 1
    assert not setup.is_fresh()
    assert "setup failed (status 1): false pip sync" in capsys.readouterr().err


def test_without_uv_pip_does_it(
    setup: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "find_uv", lambda: None)
    monkeypatch.setattr(setup, "pip_command", lambda: ["pip"])
    assert setup.main([]) == 0
    assert "--require-hashes" in commands[0]
    assert "--no-build-isolation" in commands[1]


def test_a_moved_environment_is_made_anew(setup: ModuleType, commands: list[list[str]]) -> None:
    assert setup.main([]) == 0
    setup.PLACE.write_text("elsewhere")
    setup.LOCK.write_text("changed")
    left = setup.VENV / "left"
    left.touch()
    assert setup.main([]) == 0
    assert not left.exists()


def test_a_folder_of_somebody_else_is_left_alone(
    setup: ModuleType, commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    setup.VENV.mkdir()
    (setup.VENV / "mine").touch()
    assert setup.main([]) == 1
    assert "is no virtual environment" in capsys.readouterr().err
    assert commands == []


@pytest.mark.parametrize("version", [(3, 9, 1), (3, 14, 0)])
def test_other_pythons_are_refused(
    setup: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: tuple[int, int, int],
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(setup.shutil, "which", {"python3.12": "x"}.get)
    assert setup.main([]) == 1
    printed = capsys.readouterr().err
    assert "make PYTHON=python3.12" in printed
    assert len(printed.splitlines()) == 1


def test_all_that_is_missing_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = load()
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(module, "has", lambda name: False)
    monkeypatch.setattr(module.platform, "libc_ver", lambda: ("glibc", "2.39"))
    with pytest.raises(module.SetupError) as caught:
        module.require_machine()
    message = str(caught.value)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert message.endswith(f"apt-get install g++ python{version}-dev make python{version}-venv")
    monkeypatch.setattr(module.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    with pytest.raises(module.SetupError, match=r"glibc 2\.39"):
        module.require_machine()
    monkeypatch.setattr(module.platform, "machine", lambda: "aarch64")
    with pytest.raises(module.SetupError, match="aarch64"):
        module.require_machine()
