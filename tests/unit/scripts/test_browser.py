"""scripts/browser.py: what `make test` does about the browser."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, on a machine that has nothing and installs nothing."""
    spec = importlib.util.spec_from_file_location("browser", ROOT / "scripts" / "browser.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    return module


def have(monkeypatch: pytest.MonkeyPatch, browser: ModuleType, *names: str) -> None:
    monkeypatch.setattr(browser.shutil, "which", lambda name: name if name in names else None)


def test_says_what_to_install(browser: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert browser.main({}) == 1
    printed = capsys.readouterr().err
    assert "apt-get install chromium chromium-driver" in printed
    assert "KELP_NO_BROWSER=1" in printed
    assert len(printed.splitlines()) == 1


def test_is_content_with_what_is_there(
    browser: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, browser, "google-chrome", "chromedriver")
    assert browser.main({}) == 0
    have(monkeypatch, browser, "chromium")
    assert browser.missing() == ["chromedriver"]


def test_can_be_asked_to_do_without(browser: ModuleType) -> None:
    assert browser.main({"KELP_NO_BROWSER": "1"}) == 0


def test_installs_as_root(browser: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    class Done:
        returncode = 0

    def run(command: list[str], **more: object) -> Done:
        commands.append((command, more["env"]))
        if "install" in command:
            have(monkeypatch, browser, "chromium", "chromedriver")
        return Done()

    have(monkeypatch, browser, "apt-get")
    monkeypatch.setattr(browser.os, "geteuid", lambda: 0)
    monkeypatch.setattr(browser.subprocess, "run", run)
    assert browser.main({}) == 0
    assert [command[1] for command, _ in commands] == ["update", "install"]
    assert commands[1][0][-2:] == ["chromium", "chromium-driver"]
    assert commands[1][1]["DEBIAN_FRONTEND"] == "noninteractive"


def test_a_failed_installation_is_reported(
    browser: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failed:
        returncode = 100

    have(monkeypatch, browser, "apt-get")
    monkeypatch.setattr(browser.os, "geteuid", lambda: 0)
    monkeypatch.setattr(browser.subprocess, "run", lambda *_, **__: Failed())
    assert browser.main({}) == 1
    assert "missing: a browser" in capsys.readouterr().err


def test_others_than_root_install_nothing(
    browser: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[object] = []
    have(monkeypatch, browser, "apt-get")
    monkeypatch.setattr(browser.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(browser.subprocess, "run", lambda *args, **_: ran.append(args))
    assert browser.main({}) == 1
    assert ran == []
