"""Turns between processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from models.processes.turns import one_at_a_time


def _enter(folder: str | None) -> tuple[threading.Thread, threading.Event]:
    entered = threading.Event()

    def enter() -> None:
        with one_at_a_time(folder):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    return thread, entered


def test_who_names_the_same_folder_waits(tmp_path: Path) -> None:
    with one_at_a_time(str(tmp_path)):
        thread, entered = _enter(str(tmp_path))
        assert not entered.wait(0.2)
    thread.join(10)
    assert entered.is_set()


@pytest.mark.parametrize("folder", [None, "other"])
def test_others_do_not_wait(tmp_path: Path, folder: str | None) -> None:
    (tmp_path / "other").mkdir()
    with one_at_a_time(str(tmp_path)):
        thread, entered = _enter(folder and str(tmp_path / folder))
        thread.join(10)
        assert entered.is_set()


def test_an_error_gives_the_turn_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), one_at_a_time(str(tmp_path)):
        raise ZeroDivisionError
    thread, entered = _enter(str(tmp_path))
    thread.join(10)
    assert entered.is_set()
