"""The table of first runs: what a line says, who wins, and which refusals are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from bench.references import Table, best_of_grids
from bench.tabular import (
    HEADINGS,
    TABLES,
    Comparison,
    FirstRun,
    conclusions,
    is_sound,
    load,
    overrides_of,
    print_table,
    row_of,
)


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


def _comparison(*networks: float, trees: float = 0.8, linear: float = 0.7) -> Comparison:
    runs = [
        FirstRun(
            {**_summary(blessed=value > trees), "intervals": {"accuracy": {"value": value}}},
            {"trees": trees, "linear": linear},
        )
        for value in networks
    ]
    return Comparison("wine", tuple(runs))


def test_a_line_has_the_means_over_seeds_and_the_gap(capsys: pytest.CaptureFixture[str]) -> None:
    refused = FirstRun(
        _summary(_gate("linear", "block", -0.08, -0.02)), {"trees": 0.9, "linear": 0.95}
    )
    row = row_of(Comparison("wine", (refused,)))
    assert set(row) == set(HEADINGS)
    assert (row["rows"], row["network"], row["linear"]) == ("1,500", "0.900", "0.950")
    assert (row["gap"], row["pushed"]) == ("-0.050", "0 of 1")
    assert row["deciding gate"] == "block: evaluation.baselines.linear"
    print_table([row])
    head, line = capsys.readouterr().out.splitlines()
    assert head.index("pushed") == line.index("0 of 1")
    assert row_of(_comparison(0.7, 0.9))["network"] == "0.800"
    assert row_of(_comparison(0.7, 0.9))["pushed"] == "1 of 2"


def test_each_seed_but_the_first_splits_anew() -> None:
    assert overrides_of(1) == []
    assert overrides_of(2) == ["seed=2", "data.split.seed=2"]


def test_wins_losses_ties_and_gaps_are_counted_over_tables() -> None:
    tables = [_comparison(0.9, 0.8), _comparison(0.8), _comparison(0.71), _comparison(0.6)]
    trees, linear, behind, pushed = conclusions(tables)
    assert trees == "against the best trees: 1 win, 1 tie, 2 loss"
    assert linear == "against the best linear: 3 win, 0 tie, 1 loss"
    assert behind == "more than 0.02 behind the better: wine (-0.090), wine (-0.200)"
    assert pushed == "1 of 5 first runs pushed a model"


def test_a_run_that_did_not_begin_counts_as_a_failure() -> None:
    failed = Comparison("wine", (FirstRun({}, {}, "error: no such label"),))
    assert row_of(failed)["deciding gate"] == "error: no such label"
    assert failed.outcome("trees") == "unknown"
    assert conclusions([failed])[-1] == "failed, or refused for a tie: wine"


def test_references_are_the_best_on_val_of_a_small_grid() -> None:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)
    features, labels = {}, {}
    for split, rows in (("train", 300), ("val", 100), ("test", 200)):
        number = rng.normal(size=rows)
        word = np.where(rng.random(rows) < 0.5, "red", "blue")
        # Beside a straight line, a step that trees find and lines do not.
        labels[split] = 2.0 * number + 4.0 * (np.abs(number) > 1) + (word == "red")
        number = np.where(rng.random(rows) < 0.02, np.nan, number)
        features[split] = pd.DataFrame({"number": number, "word": word})
    table = Table("regression", features, labels)
    scores = best_of_grids(table)
    assert 0.3 < scores["linear"] < scores["trees"] < 1.0


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
