"""What a candidate costs, and where its predecessor's costs are found."""

from __future__ import annotations

from pathlib import Path

from contracts.results.files import write_result
from contracts.results.summary import ModelCost, RunTraining
from pipelines.runs.costs import cost_of_candidate, run_of_model
from tests.fixtures.report_run import summary_of, training
from tests.fixtures.variant_verdicts import verdict


def test_the_costs_of_a_candidate_come_from_what_was_measured(tmp_path: Path) -> None:
    saved = tmp_path / "Format-Serving" / "variables"
    saved.mkdir(parents=True)
    (saved / "variables.index").write_bytes(b"x" * 30)
    (saved.parent / "saved_model.pb").write_bytes(b"x" * 12)
    report = RunTraining.model_validate({**training(), "folder": "here"})
    variants = [verdict("tflite_int8"), verdict("float32")]
    cost = cost_of_candidate(report, tmp_path, variants)
    assert (cost.training_seconds, cost.bytes) == (8.1, 42)
    assert cost.row_us == 710.0
    assert cost.bulk_row_us == 1e6 / 61_000


def test_what_was_not_measured_stays_unknown(tmp_path: Path) -> None:
    assert cost_of_candidate(None, tmp_path / "gone", [verdict("int8")]) == ModelCost()


def test_the_predecessor_is_the_latest_run_of_its_model(tmp_path: Path) -> None:
    for run_id, model, seconds in (("1", "a", 1.0), ("2", "a", 2.0), ("3", "b", 3.0)):
        (tmp_path / run_id).mkdir()
        cost = ModelCost(training_seconds=seconds)
        write_result(
            tmp_path / run_id, summary_of(run_id=run_id, folders={"model": model}, cost=cost)
        )
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "summary.json").write_text('{"version": 0, "folders": {"model": "a"}}')
    (tmp_path / "latest").symlink_to("3")
    found = run_of_model(tmp_path, "a")
    assert found is not None
    assert (found.run_id, found.cost.training_seconds) == ("2", 2.0)
    assert run_of_model(tmp_path, "gone") is None
