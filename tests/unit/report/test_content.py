"""What the report says: the verdict, the steps, and why something is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.results.evidence import Interval
from contracts.results.summary import ModelCost
from report.charts.charts import charts_of
from report.config import CardSpec
from report.content import gather
from report.render import render
from report.sections.model import slice_name
from report.sources import Sources, read_sources
from report.view import Report
from tests.fixtures.report_run import Run, full_run, summary_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return full_run(tmp_path)


def report_of(run: Run) -> Report:
    return gather(read_sources(run.folder, run.typed(), run.folders))


def set_gates(run: Run, *gates: dict[str, Any], blessed: bool) -> None:
    base = {"metric": "roc_auc", "slice": None, "value": 0.7, "low": None, "high": None, "bound": 0}
    run.change(
        "evidence",
        "gates.json",
        {"blessed": blessed, "gates": [{**base, "reason": "Because.", **gate} for gate in gates]},
    )
    run.summary["blessed"] = blessed


@pytest.mark.parametrize(
    ("outcome", "blessed", "pushed", "tone", "label"),
    [
        ("pass", True, "serving_models/flights/4", "good", "Blessed"),
        ("warn", True, "serving_models/flights/4", "warn", "Blessed, with warnings"),
        ("pass", True, None, "warn", "Blessed, not pushed"),
        ("block", False, None, "bad", "Not blessed"),
    ],
)
def test_verdict(
    run: Run, outcome: str, blessed: bool, pushed: str | None, tone: str, label: str
) -> None:
    set_gates(run, {"gate": "bound", "outcome": outcome}, blessed=blessed)
    run.summary["pushed_to"] = pushed
    verdict = report_of(run).verdict
    assert (verdict.tone, verdict.label) == (tone, label)
    if outcome == "pass":
        assert verdict.reasons == ["All 1 gates were passed."]
    else:
        assert verdict.reasons == ["Because."]


def test_blocking_gates_come_first_and_passes_apart(run: Run) -> None:
    set_gates(
        run,
        {"gate": "bound", "outcome": "pass"},
        {"gate": "slice_change", "outcome": "insufficient", "slice": {"carrier": "OO"}},
        {"gate": "robustness", "outcome": "warn", "subject": "noise"},
        {"gate": "slice_change", "outcome": "block", "slice": {"carrier": "UA", "origin": "EWR"}},
        blessed=False,
    )
    gates = report_of(run).gates.content
    assert gates is not None
    assert [row.gate.outcome for row in gates.attention] == ["block", "warn", "insufficient"]
    assert [row.where for row in gates.attention] == [
        "carrier = UA, origin = EWR",
        "noise",
        "carrier = OO",
    ]
    assert len(gates.passed) == 1
    assert gates.counts == {"block": 1, "warn": 1, "insufficient": 1, "pass": 1}


def test_losing_to_the_trees_is_said_once(run: Run) -> None:
    steps = report_of(run).verdict.steps
    assert steps[0].startswith("Prefer the trees: gradient-boosted trees reach 0.7668")
    assert sum("trees" in step for step in steps) == 1


def test_losing_to_the_linear_model_stays_a_step_of_its_own(run: Run) -> None:
    linear = {"gate": "baseline", "outcome": "block", "subject": "linear"}
    trees = {"gate": "baseline", "outcome": "warn", "subject": "trees"}
    set_gates(run, linear, trees, blessed=False)
    steps = report_of(run).verdict.steps
    assert sum("do not deploy the network" in step for step in steps) == 1


@pytest.mark.parametrize(("gain", "outcome"), [(-0.03, "warn"), (0.001, "warn"), (0.05, "pass")])
def test_a_report_that_prefers_another_model_does_not_say_serve_this_one(
    run: Run, gain: float, outcome: str
) -> None:
    evidence = run.read("evidence", "evidence.json")
    difference = {"value": gain, "low": gain - 0.005, "high": gain + 0.005, "p": 0.5}
    evidence["baselines"] = [{"name": "linear", "metric": {"value": 0.7}, "difference": difference}]
    run.change("evidence", "evidence.json", evidence)
    set_gates(run, {"gate": "baseline", "outcome": outcome, "subject": "linear"}, blessed=True)
    steps = report_of(run).verdict.steps
    preferred = [step for step in steps if step.startswith("Prefer the linear model")]
    served = [step for step in steps if step.startswith("Serve ")]
    assert (len(preferred), len(served)) == ((0, 1) if outcome == "pass" else (1, 0))
    assert all("network: {kind: linear}" in step for step in preferred)


@pytest.mark.parametrize(
    ("low", "high", "tone", "verdict"),
    [
        (0.01, 0.02, "good", "beaten"),
        (-0.01, 0.02, "warn", "no difference beyond chance"),
        (-0.02, -0.01, "bad", "better than the candidate"),
    ],
)
def test_baseline_models_are_judged_by_the_interval(
    run: Run, low: float, high: float, tone: str, verdict: str
) -> None:
    evidence = run.read("evidence", "evidence.json")
    difference = {"value": (low + high) / 2, "low": low, "high": high, "p": 0.5}
    evidence["baselines"] = [{"name": "trees", "metric": {"value": 0.7}, "difference": difference}]
    run.change("evidence", "evidence.json", evidence)
    (rival,) = report_of(run).model.baselines.content or []
    assert (rival.tone, rival.verdict) == (tone, verdict)


def test_the_leaderboard_puts_the_best_first_with_what_each_costs(run: Run) -> None:
    evidence = run.read("evidence", "evidence.json")
    main = {"candidate": {"value": 0.76}, "baseline": {"value": 0.75}}
    main["difference"] = {"value": 0.01, "low": 0.004, "high": 0.016}
    evidence["metrics"]["roc_auc"] = main
    run.change("evidence", "evidence.json", evidence)
    leaders = report_of(run).model.leaderboard.content or []
    names = ["Trees", "Candidate", "Predecessor", "Linear model", "Constant guess"]
    assert [leader.name for leader in leaders] == names
    trees, candidate, predecessor, *_ = leaders
    assert (candidate.own, candidate.difference) == (True, None)
    assert candidate.cost == run.typed().cost
    assert predecessor.note == "last blessed, run 20261120-181022"
    assert (predecessor.difference, predecessor.verdict) == (
        Interval(**main["difference"]),
        "beaten",
    )
    assert predecessor.cost.training_seconds == 7.4
    assert (trees.verdict, trees.cost.training_seconds) == ("better than the candidate", 16.9)
    assert (trees.cost.row_us, trees.cost.bytes) == (1_240.0, 742_118)


def test_the_leaderboard_of_an_error_puts_the_least_first(run: Run) -> None:
    evidence = run.read("evidence", "evidence.json")
    change = {"value": -2.0, "low": -3.0, "high": -1.0}
    evidence["metrics"] = {
        "rmse": {"candidate": {"value": 10.0}, "baseline": {"value": 12.0}, "difference": change}
    }
    evidence |= {"metric": "rmse", "higher_is_better": False, "baselines": []}
    run.change("evidence", "evidence.json", evidence)
    part = report_of(run).model.leaderboard
    assert part.left_out == "Baseline models are off (evaluation.baselines.enabled)."
    candidate, predecessor = part.content or []
    assert (candidate.own, predecessor.verdict) == (True, "beaten")
    assert predecessor.difference == Interval(value=2.0, low=1.0, high=3.0)


def test_the_advice_stands_in_the_report_with_the_curve_that_it_draws_on(run: Run) -> None:
    report = report_of(run)
    advised = report.advice.content
    assert advised is not None
    assert advised.advice == run.typed().advice
    assert "<strong>Use the trees</strong>" in render(
        read_sources(run.folder, run.typed(), run.folders)
    )
    assert advised.curve is not None
    assert advised.curve.model == "trees"
    assert [chart.title for chart in charts_of(report)["advice"]] == [""]


def test_without_baseline_models_there_is_no_advice(run: Run) -> None:
    run.summary["advice"] = None
    assert "baseline models are off" in report_of(run).advice.absent


def test_what_is_on_a_sample_is_reported(run: Run) -> None:
    run.summary["sampled"] = [{"what": "stress", "rows": 250_110, "all_rows": 641_900}]
    page = render(read_sources(run.folder, run.typed(), run.folders))
    assert "<li>stress: on 250,110 of 641,900 rows</li>" in page


def test_costs_that_were_not_measured_are_called_so(run: Run) -> None:
    baselines = run.read("baselines", "baselines.json")
    del baselines["models"]["trees"]["cost"]
    run.change("baselines", "baselines.json", baselines)
    run.summary["cost"] = {}
    sources = read_sources(run.folder, run.typed(), run.folders)
    leaders = {leader.name: leader for leader in gather(sources).model.leaderboard.content or []}
    assert leaders["Candidate"].cost == ModelCost()
    assert leaders["Trees"].cost == ModelCost(training_seconds=16.9)
    assert render(sources).count("not measured</td>") == 5


@pytest.mark.parametrize(
    ("metric", "ends", "tone"),
    [
        ("roc_auc", (0.01, 0.02), "good"),
        ("roc_auc", (-0.02, -0.01), "bad"),
        ("roc_auc", (-0.01, 0.01), "none"),
        ("log_loss", (0.01, 0.02), "bad"),
        ("log_loss", (-0.02, -0.01), "good"),
    ],
)
def test_a_change_is_good_in_the_metrics_own_sense(
    run: Run, metric: str, ends: tuple[float, float], tone: str
) -> None:
    evidence = run.read("evidence", "evidence.json")
    evidence["metric"] = metric
    change = {"value": sum(ends) / 2, "low": ends[0], "high": ends[1]}
    evidence["metrics"] = {
        metric: {"candidate": {"value": 0.5}, "baseline": {"value": 0.5}, "difference": change}
    }
    run.change("evidence", "evidence.json", evidence)
    tile = next(one for one in report_of(run).verdict.tiles if one.label == "Against the baseline")
    assert tile.tone == tone


def test_coverage_is_best_at_the_share_that_the_quantiles_ask_for(run: Run) -> None:
    evidence = run.read("evidence", "evidence.json")
    figures = {"candidate": {"value": 0.77}}
    evidence["metrics"] = {"coverage": figures, "calibration": figures, "mae": figures}
    evidence["forecast"] = {"quantiles": [0.05, 0.5, 0.95], "steps": []}
    run.change("evidence", "evidence.json", evidence)
    metrics = report_of(run).model.metrics.content or []
    assert {one.name: one.better for one in metrics} == {
        "coverage": "90 % is best",
        "calibration": "1 is best",
        "mae": "lower is better",
    }


def test_slices_worst_first_and_thin_ones_last(run: Run) -> None:
    slices = report_of(run).model.slices.content or []
    gaps = [one.gap.value for one in slices if one.gap is not None]
    assert gaps == sorted(gaps, reverse=True)
    assert 0 < len(gaps) < len(slices)
    assert all(one.insufficient for one in slices[len(gaps) :])


def test_statistics_as_tfdv_wrote_them(run: Run) -> None:
    columns = report_of(run).data.statistics.content or []
    by_place = {(one.feature, one.split): one for one in columns}
    gust, carrier = by_place["wind_gust", "train"], by_place["carrier", "test"]
    assert gust.missing == pytest.approx(0.76, abs=1e-3)
    assert gust.least is not None
    assert gust.least < (gust.median or 0) < (gust.most or 0)
    assert len(gust.bars) == 10
    assert max(bar.height for bar in gust.bars) == 1
    assert carrier.distinct == 14
    assert carrier.rows == 54_190
    assert [share for _, share in carrier.top] == sorted(
        (share for _, share in carrier.top), reverse=True
    )
    assert [one.split for one in columns[:3]] == ["train", "val", "test"]


def test_a_feature_that_is_entirely_missing(run: Run) -> None:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    content = statistics_pb2.DatasetFeatureStatisticsList()
    feature = content.datasets.add(num_examples=10).features.add()
    feature.path.step.append("gone")
    feature.num_stats.common_stats.num_missing = 10
    (run.folders["statistics"] / "Split-train" / "FeatureStats.pb").write_bytes(
        content.SerializeToString()
    )
    columns = report_of(run).data.statistics.content or []
    gone = next(one for one in columns if one.feature == "gone")
    assert gone.missing == 1
    assert gone.mean is None
    assert gone.bars == []


@pytest.mark.parametrize(
    ("summary", "stopped"),
    [
        ({"status": "succeeded"}, ""),
        ({"status": "failed", "stopped_at": "Trainer", "seconds": {}}, "Trainer"),
        ({"status": "interrupted"}, "Setup"),
    ],
)
def test_where_a_run_stopped(summary: dict[str, Any], stopped: str) -> None:
    assert Sources(summary_of(**summary)).stopped_at() == stopped


def test_what_was_done_before_the_stop_is_not_said_to_be_unmeasured() -> None:
    summary = summary_of(status="failed", stopped_at="Trainer", seconds={"DataGate": 1.0})
    sources = Sources(summary)
    assert sources.why_not("audit") == "Not recorded: this run has no audit.json of DataGate."
    assert sources.why_not("training") == "Not measured: the run stopped at Trainer."


def test_without_evidence_the_metrics_are_tfmas(run: Run) -> None:
    (run.folders["evidence"] / "evidence.json").unlink()
    metrics = report_of(run).model.metrics.content or []
    assert [(one.name, one.figures.candidate.value) for one in metrics] == [("roc_auc", 0.7599)]
    assert metrics[0].figures.baseline == Interval(value=0.7571)


def test_the_card_is_the_configs(run: Run) -> None:
    card = dict(report_of(run).card)
    assert card["Owner"] == "Operations research, delay desk"
    assert card["Licence"] == ""
    assert len(card) == len(CardSpec.model_fields)
    (run.folder / "config.json").unlink()
    assert dict(report_of(run).card)["Owner"] == ""


def test_slice_name() -> None:
    assert slice_name(None) == slice_name({}) == "all rows"
    assert slice_name({"carrier": "UA", "month": 7}) == "carrier = UA, month = 7"


def test_shift_is_compared_with_all_that_it_must_exceed(run: Run) -> None:
    audit = run.read("data_verdict", "audit.json")
    near = {"from": "train", "to": "val", "kind": "splits", "measure": "Jensen-Shannon"}
    near["bound"] = 0.1
    audit["details"]["shift"] = [
        {**near, "feature": "a", "distance": 0.4, "chance": 0.2, "usual": 0.8, "shifted": False},
        {**near, "feature": "b", "distance": 0.3, "chance": 0.1, "usual": None, "shifted": True},
    ]
    run.change("data_verdict", "audit.json", audit)
    found = report_of(run).data.shift.content or []
    assert [one.feature for one in found] == ["b", "a"]
    assert [one.limit for one in found] == [0.1, 0.8]
    assert [one.of_limit for one in found] == pytest.approx([3.0, 0.5])
    assert [one.shifted for one in found] == [True, False]


def test_folders_are_named_from_where_kelp_is_called(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = report_of(run).record.artifacts
    assert all(Path(folder).is_absolute() for _, folder in inside)
    monkeypatch.chdir(run.folder.parent.parent)
    assert all(not Path(folder).is_absolute() for _, folder in report_of(run).record.artifacts)


def test_the_trees_are_named_with_their_lead(run: Run) -> None:
    evidence = run.read("evidence", "evidence.json")
    for one in evidence["baselines"]:
        if one["name"] == "trees":
            one["metric"] = {"value": 0.77, "low": 0.76, "high": 0.78}
            one["difference"] = {"value": -0.0115, "low": -0.014, "high": -0.009, "p": 1.0}
    run.change("evidence", "evidence.json", evidence)
    steps = report_of(run).verdict.steps
    assert any("reach 0.7700, better than the network by 0.0115." in step for step in steps)


def test_a_refit_is_said_with_what_val_is_about(run: Run) -> None:
    training = run.read("model_run", "training.json")
    refit = {"rows": 1200, "epochs": 3, "loss": 0.4, "seconds": 2.0}
    run.change("model_run", "training.json", {**training, "refit": refit})
    content = report_of(run).training.content
    assert content is not None
    said = dict(content.facts)["Refit"]
    assert said.startswith("on train and val, 1,200 rows, 3 epochs")
    assert said.endswith("all that val says is about the fit before")


def test_a_teacher_is_named_with_its_metric_on_the_rows_left_out(run: Run) -> None:
    training = run.read("model_run", "training.json")
    teacher = {
        "kind": "boosted_trees", "weight": 0.7, "folds": 2, "by": "key", "rounds": 150,
        "learning_rate": 0.1, "leaves": 63, "rows": 1200, "seconds": 15.0, "digest": "0" * 64,
        "metrics": {"roc_auc": 0.7632, "pr_auc": None},
    }  # fmt: skip
    run.change("model_run", "training.json", {**training, "teacher": teacher})
    content = report_of(run).training.content
    assert content is not None
    said = dict(content.facts)["Teacher"]
    assert said.startswith("boosted trees of 150 rounds, 2 folds of train by key, 1,200 rows")
    assert "roc_auc 0.7632 on the rows left out" in said
    blend = {**teacher, "kind": "blend", "tree_share": 0.55}
    run.change("model_run", "training.json", {**training, "teacher": blend})
    content = report_of(run).training.content
    assert content is not None
    said = dict(content.facts)["Teacher"]
    assert said.startswith("boosted trees of 150 rounds (55 %) and a linear model, 2 folds of")
