"""The table of verdicts: what a line says of a run, and which refusals are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from bench.tabular import HEADINGS, TABLES, is_sound, load, print_table, row_of


def _summary(*gates: dict[str, Any], blessed: bool = False) -> dict[str, Any]:
    return {
        "name": "wine",
        "rows": {"train": 1000, "val": 200, "test": 300},
        "metric": "accuracy",
        "intervals": {"accuracy": {"value": 0.9}},
        "blessed": blessed,
        "pushed_to": "serving_models/wine/1" if blessed else None,
        "status": "succeeded",
        "error": None,
        "gates": list(gates),
        "total_seconds": 61.2,
    }


def _gate(subject: str, outcome: str, low: float, high: float) -> dict[str, Any]:
    key = f"evaluation.baselines.{subject}"
    interval = {"low": low, "high": high}
    return {"gate": "baseline", "subject": subject, "outcome": outcome, "key": key, **interval}


def test_a_line_tells_verdict_rivals_and_the_deciding_gate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gain = {"value": -0.05, "low": -0.08, "high": -0.02}
    evidence = {"baselines": [{"name": "linear", "metric": {"value": 0.95}, "difference": gain}]}
    row = row_of(_summary(_gate("linear", "block", -0.08, -0.02)), evidence)
    assert set(row) == set(HEADINGS)
    assert (row["rows"], row["verdict"], row["pushed"]) == ("1,500", "refused", "no")
    assert row["linear"] == "0.950 [-0.080, -0.020]"
    assert row["deciding gate"] == "block: evaluation.baselines.linear"
    print_table([row])
    head, line = capsys.readouterr().out.splitlines()
    assert head.index("verdict") == line.index("refused")
    assert row_of(_summary(blessed=True), {})["pushed"] == "yes"


def test_a_refusal_for_a_tie_is_wrong_and_so_is_a_failure() -> None:
    assert is_sound(_summary(_gate("linear", "block", -0.08, -0.02)))
    assert is_sound(_summary(_gate("linear", "warn", -0.08, 0.02)))
    assert not is_sound(_summary(_gate("linear", "block", -0.08, 0.02)))
    assert not is_sound({**_summary(), "status": "failed"})


def test_there_are_sixteen_tables_and_they_have_their_labels() -> None:
    assert len(TABLES) == 16
    for name in ("wine", "penguins", "two_class"):
        frame = load(TABLES[name])
        assert TABLES[name].label in frame.columns
        assert "rownames" not in frame.columns
