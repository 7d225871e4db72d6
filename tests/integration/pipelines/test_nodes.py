"""TFX components in processes of their own: published, cached, discarded, whatever the jobs."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures.sum_program import SumProgram


def test_components_run_are_cached_and_fail_as_in_one_process(tmp_path: Path) -> None:
    folder, program = tmp_path, SumProgram(tmp_path)
    first = program.outcome(program.start("first", jobs=2))
    assert first == {
        "ended": {"Left": [False, 2], "Right": [False, 3], "Sum": [False, 5]},
        "at": [],
        "error": None,
    }
    assert "the sum is 5" in (folder / "first" / "Sum.log").read_text()
    outputs = set((folder / "artifacts").glob("*/number/*"))
    assert len(outputs) == 3

    failed = program.outcome(program.start("failed", largest=4))
    assert failed["ended"] == {"Left": [True, 2], "Right": [True, 3]}
    assert failed["at"] == ["Sum"]
    assert failed["error"][:2] == ["DataError", "error: 5 is too much"]
    assert set((folder / "artifacts").glob("*/number/*")) == outputs
    assert not list((folder / "artifacts").glob("*/.system/executor_execution/*/.temp/*"))
