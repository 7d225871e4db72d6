"""Folders of runs: one run at a time, the processes of a run together, none half filled."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from contracts.errors import EnvironmentProblem
from pipelines.execution import folders
from pipelines.execution.folders import join_folder, only_attempt, only_run


def test_processes_of_one_run_are_let_in_together_and_another_run_is_not(tmp_path: Path) -> None:
    with only_run(tmp_path, "first"), only_run(tmp_path, "first"):
        for other in ("second", None):
            with (
                pytest.raises(EnvironmentProblem, match="Another run"),
                only_run(tmp_path, other),
            ):
                pass
        with only_run(tmp_path, "first"):
            pass
    with only_run(tmp_path, "second"):
        pass
    with (
        only_run(tmp_path),
        pytest.raises(EnvironmentProblem, match="Another run"),
        only_run(tmp_path, "first"),
    ):
        pass


def test_one_attempt_at_a_node_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_PATIENCE_S", 0.0)
    with (
        only_attempt(tmp_path, "Left"),
        only_attempt(tmp_path, "Right"),
        pytest.raises(EnvironmentProblem, match="Another attempt at Left"),
        only_attempt(tmp_path, "Left"),
    ):
        pass
    with only_attempt(tmp_path, "Left"):
        pass


def test_whoever_comes_first_fills_the_folder_of_a_run(tmp_path: Path) -> None:
    together = threading.Barrier(4)
    seen: list[str] = []

    def fill(folder: Path) -> None:
        together.wait(5)
        (folder / "filled").write_text("whole")

    def join() -> None:
        seen.append((join_folder(tmp_path, "run", fill) / "filled").read_text())

    threads = [threading.Thread(target=join) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == ["whole"] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_cannot_be_filled_leaves_nothing(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentProblem, match="run folder cannot be written"):
        join_folder(tmp_path, "run", fill)
    assert list(tmp_path.iterdir()) == []
