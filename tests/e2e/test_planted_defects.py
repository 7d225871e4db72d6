"""Whether a run finds defects that were planted in its data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Workplace, make_workplace

# The stresses and the importance of features are no matter of a planted defect.
BRIEF = ("evaluation.stress={}", "evaluation.importance.enabled=false")

Plant = Callable[[pa.Table, np.random.Generator], pa.Table]


@pytest.fixture
def planted(tmp_path: Path, shrunk_flights: Path) -> Callable[[Plant], Workplace]:
    """A workplace of its own, with a defect in every file."""

    def plant(change: Plant) -> Workplace:
        workplace = make_workplace(tmp_path / "workplace", shrunk_flights)
        rng = np.random.default_rng(0)
        for path in sorted(workplace.data.rglob("*.parquet")):
            pq.write_table(change(pq.read_table(path), rng), path)
        return workplace

    return plant


def test_a_leaking_column_stops_the_run(planted: Callable[[Plant], Workplace]) -> None:
    def leak(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        late = table["delayed"].to_numpy() * 100.0
        return table.append_column("leak", pa.array(late + rng.normal(size=len(late))))

    workplace = planted(leak)
    done = workplace.run("features.leak={type: numeric}")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 10
    assert "Feature 'leak' alone nearly decides the label 'delayed'" in lines[0]
    assert "leakage" in done.stderr
    assert "DataGate, feature leak" in done.stderr
    assert workplace.summary["stopped_at"] == "DataGate"
    assert not (workplace.folder / "runs/flights/artifacts/Trainer").exists()
    audit = json.loads((workplace.latest / "data_verdict" / "audit.json").read_text())
    blocking = [one for one in audit["checks"] if one["outcome"] == "block"]
    assert [(one["check"], one["feature"]) for one in blocking] == [("leakage", "leak")]
    assert "Feature 'leak' alone nearly decides the label" in workplace.page
    assert "The run failed at DataGate" in workplace.page
    assert "'leak' alone nearly decides" in workplace.printed("why")


def test_a_model_of_shuffled_labels_is_not_pushed(planted: Callable[[Plant], Workplace]) -> None:
    def shuffle(table: pa.Table, rng: np.random.Generator) -> pa.Table:
        # Drawn alike in every month: shuffled within a month, its share could be learnt.
        place = table.column_names.index("delayed")
        labels = pa.array((rng.random(len(table)) < 0.25).astype(np.int64))
        return table.set_column(place, "delayed", labels.cast(table["delayed"].type))

    workplace = planted(shuffle)
    # Without a bound, chance itself has to be distinguished from a model.
    done = workplace.run("evaluation.bounds={}", *BRIEF)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = workplace.summary
    assert summary["blessed"] is False
    assert summary["pushed_to"] is None
    assert not (workplace.folder / "serving_models").exists()
    refusal = next(gate for gate in summary["gates"] if gate["subject"] == "majority")
    assert refusal["outcome"] == "block"
    assert refusal["reason"].endswith("Decided by evaluation.baselines.majority.")
    assert done.stdout.splitlines()[-1].startswith("NOTHING WAS PUSHED: ")
