"""Gates: what each asks, what it says, and what it does to the blessing."""

from __future__ import annotations

from typing import Any

import pytest

from components.model_gate.gates import is_blessed, judge
from components.model_gate.tfma_parity import tfma_parity
from contracts.results.evidence import Evidence, Interval
from contracts.results.gates import Gate
from contracts.results.summary import CandidateMetrics
from evidence.config import EvaluationSpec
from evidence.wording import figure, name_of, with_interval


def _interval(value: float | None, width: float = 0.01) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - width, "high": value + width}


def _loss(value: float, q: float) -> dict[str, float | None]:
    return {**_interval(value), "p": q / 10, "q": q}


def _slice(name: str, source: str = "config", **parts: Any) -> dict[str, Any]:
    entry = {"slice": {"carrier": name}, "source": source, "rows": 500, "share": 0.1}
    metrics = {"roc_auc": _interval(0.75)}
    return {**entry, "insufficient": None, "metrics": metrics, "gap": None, "change": None, **parts}


def _stress(
    name: str, drop: float | None, bound: float | None, severity: str = "block"
) -> dict[str, Any]:
    figures = {"metric": _interval(0.7), "drop": _interval(drop), "bound": bound}
    return {"name": name, "kind": "noise", "columns": [], "severity": severity, **figures}


EVIDENCE: dict[str, Any] = {
    "task": "binary",
    "metric": "roc_auc",
    "metrics": {
        "roc_auc": {
            "candidate": _interval(0.8),
            "baseline": _interval(0.81),
            "difference": _interval(-0.01),
        },
        "log_loss": {
            "candidate": _interval(0.4),
            "baseline": _interval(0.38),
            "difference": _interval(0.02),
        },
    },
    "slices": [
        _slice("AA", change=_loss(0.01, 0.5), gap=_loss(0.04, 0.001)),
        _slice("ZZ", insufficient="fewer than 100 rows"),
    ],
    "baselines": [
        {
            "name": name,
            "metric": _interval(0.8 - gain),
            "difference": {**_interval(gain, 0.005), "p": p},
        }
        for name, gain, p in (("majority", 0.3, 1e-9), ("linear", 0.02, 0.001), ("trees", 0, 0.5))
    ],
    "fairness": [],
    "robustness": [],
    "calibration": {"bins": [], "error": _interval(0.03)},
    "higher_is_better": True,
    "rows": 1000,
    "resamples": 100,
    "confidence": 0.95,
    "seed": 1,
    "curves": {},
    "confusion": None,
    "decisions": None,
}
RECORD = {"roc_auc": 0.8, "log_loss": 0.4}


def _judge(spec: dict[str, Any], **changed: Any) -> list[Gate]:
    evidence = Evidence.model_validate(EVIDENCE | changed)
    return judge(evidence, RECORD, EvaluationSpec.model_validate(spec))


def _one(gates: list[Gate], kind: str, outcome: str) -> Gate:
    (gate,) = [gate for gate in gates if (gate.gate, gate.outcome) == (kind, outcome)]
    return gate


def test_a_good_candidate_passes_every_gate_and_thin_slices_do_not_pass() -> None:
    gates = _judge({"bounds": {"roc_auc": {"min": 0.7}}, "change": {"roc_auc": {"max_loss": 0.01}}})
    assert is_blessed(gates)
    assert {gate.outcome for gate in gates} == {"pass", "insufficient"}
    thin = _one(gates, "slice_change", "insufficient")
    assert thin.slice == {"carrier": "ZZ"}
    assert "fewer than 100 rows" in thin.reason
    bound = _one(gates, "bound", "pass")
    assert (bound.value, bound.low, bound.high, bound.bound) == (0.8, 0.79, 0.81, 0.7)
    assert bound.reason == "roc_auc is 0.8000 [0.7900, 0.8100] on test; the bound is at least 0.7."
    assert [gate.subject for gate in gates if gate.gate == "baseline"] == [
        "majority",
        "linear",
        "trees",
    ]


@pytest.mark.parametrize(
    ("bound", "blessed"), [({"min": 0.8}, True), ({"min": 0.81}, False), ({"max": 0.79}, False)]
)
def test_bounds_are_checked_against_the_record(bound: dict[str, float], blessed: bool) -> None:
    assert is_blessed(_judge({"bounds": {"roc_auc": bound}})) is blessed


def test_a_metric_that_could_not_be_computed_blocks() -> None:
    evidence = Evidence.model_validate(EVIDENCE)
    gates = judge(evidence, {}, EvaluationSpec.model_validate({"bounds": {"f1": {"min": 0.5}}}))
    assert "f1 could not be computed" in _one(gates, "bound", "block").reason


def test_a_bound_on_a_metric_that_tfma_lacks_is_checked_against_the_evidence() -> None:
    metrics = {**EVIDENCE["metrics"], "coverage": {"candidate": _interval(0.79)}}
    gates = _judge({"bounds": {"coverage": {"min": 0.75, "max": 0.85}}}, metrics=metrics)
    assert [gate.value for gate in gates if gate.gate == "bound"] == [0.79, 0.79]
    assert is_blessed(gates)


def test_a_loss_has_its_direction() -> None:
    gates = _judge({"change": {"roc_auc": {"max_loss": 0.005}, "log_loss": {"max_loss": 0.005}}})
    blocked = [gate for gate in gates if gate.outcome == "block"]
    assert {gate.metric for gate in blocked} == {"roc_auc", "log_loss"}
    assert "changed by +0.0200 [+0.0100, +0.0300]" in blocked[1].reason


def test_without_a_baseline_there_is_no_change_to_judge() -> None:
    metrics = {"roc_auc": {"candidate": _interval(0.8), "baseline": None, "difference": None}}
    gates = _judge({"change": {"roc_auc": {"max_loss": 0}}}, metrics=metrics)
    assert not [gate for gate in gates if gate.gate == "change"]


def test_a_slice_that_lost_beyond_chance_blocks_by_name() -> None:
    slices = [
        _slice("AA", change=_loss(0.1, 0.001)),
        _slice("BB", change=_loss(0.1, 0.3)),
        _slice("CC", "found", change=_loss(0.2, 0.01)),
    ]
    gates = _judge({}, slices=slices)
    blocked = [gate for gate in gates if gate.outcome == "block"]
    assert [gate.slice for gate in blocked] == [{"carrier": "CC"}, {"carrier": "AA"}]
    assert "Slice carrier=CC (500 rows): roc_auc is worse than the baseline by" in blocked[0].reason
    warned = _judge({"slice_gate": {"severity": "warn"}}, slices=slices)
    assert is_blessed(warned)
    assert sum(gate.outcome == "warn" for gate in warned) == 2
    assert is_blessed(_judge({"slice_gate": {"severity": "off"}}, slices=slices))


def test_a_gap_binds_the_slices_of_the_config_alone() -> None:
    slices = [
        _slice("AA", gap=_loss(0.1, 0.001)),
        _slice("CC", "found", gap=_loss(0.3, 0.001)),
    ]
    assert is_blessed(_judge({}, slices=slices))
    gates = _judge({"slice_gate": {"max_gap": 0.05}}, slices=slices)
    assert _one(gates, "slice_gap", "block").slice == {"carrier": "AA"}
    passing = _judge({"slice_gate": {"max_gap": 0.15}}, slices=slices)
    assert "Of 1 slices, the worst is carrier=AA" in _one(passing, "slice_gap", "pass").reason


@pytest.mark.parametrize(
    ("name", "gain", "p", "outcome"),
    [
        ("majority", 0.01, 0.01, "block"),  # luck that one run in a hundred has
        ("majority", 0.001, 0.4, "block"),
        ("majority", 0.3, 1e-6, "pass"),
        ("linear", 0.01, 0.01, "pass"),
        ("linear", 0.001, 0.4, "warn"),
        ("linear", -0.05, 1.0, "block"),
        ("trees", -0.05, 1.0, "warn"),
        ("trees", -0.004, 0.9, "pass"),
    ],
)
def test_worse_blocks_and_a_tie_warns(name: str, gain: float, p: float, outcome: str) -> None:
    gate = _against(name, gain, 0.005, p, outcome)
    assert (gate.subject, gate.key) == (name, f"evaluation.baselines.{name}")
    refused = outcome in ("block", "warn")
    assert gate.reason.endswith(f"Decided by {gate.key}.") is refused
    if refused and name != "majority":
        assert f"Prefer the {'linear model' if name == 'linear' else name}" in gate.reason.replace(
            "prefer", "Prefer"
        )
        assert ("(network: {kind: linear})" in gate.reason) is (name == "linear")


def _against(name: str, gain: float, width: float, p: float, outcome: str) -> Gate:
    entry = {
        "name": name,
        "metric": _interval(0.8 - gain),
        "difference": {**_interval(gain, width), "p": p},
    }
    return _one(_judge({}, baselines=[entry], slices=[]), "baseline", outcome)


@pytest.mark.parametrize("name", ["linear", "trees"])
@pytest.mark.parametrize("gain", [-0.02, 0.0, 0.02])
def test_too_few_rows_to_tell_is_insufficient(name: str, gain: float) -> None:
    gate = _against(name, gain, 0.1, 0.4, "insufficient")
    assert "Too few rows of test to tell" in gate.reason
    assert "as good as" not in gate.reason


def test_as_good_as_the_trees_is_said_only_where_the_interval_is_narrow() -> None:
    assert "as good as the trees" in _against("trees", 0.0, 0.019, 0.5, "pass").reason
    wide = _against("trees", 0.0, 0.021, 0.5, "insufficient").reason
    assert "as good as" not in wide
    assert "neither better nor worse than the trees beyond chance" in wide


def test_errors_in_the_labels_unit_are_equal_within_a_share() -> None:
    entry = {
        "name": "linear",
        "metric": _interval(500.0),
        "difference": {**_interval(1.0, 5.0), "p": 0.4},
    }
    metrics = {"mae": {"candidate": _interval(499.0), "baseline": None, "difference": None}}
    changed = {"metric": "mae", "metrics": metrics, "task": "regression"}
    changed["higher_is_better"] = False
    gates = _judge({}, baselines=[entry], slices=[], **changed)
    assert "prefer the linear model" in _one(gates, "baseline", "warn").reason


def test_the_constant_guess_is_never_a_tie_beside_an_interval_without_zero() -> None:
    beyond = _against("majority", 0.05, 0.02, 0.01, "block").reason
    assert "not shown to be better" not in beyond
    assert "better than the constant guess, but not surely enough" in beyond
    assert "0.001" in beyond
    assert "0.0100" in beyond
    tie = _against("majority", 0.01, 0.02, 0.2, "block").reason
    assert "not shown to be better than the constant guess" in tie
    assert "worse than the constant guess" in _against("majority", -0.1, 0.02, 1.0, "block").reason


def test_every_refusal_names_the_key_that_decides_it() -> None:
    lost = [_stress("gaps", 0.05, 0.01)]
    gates = _judge(
        {
            "bounds": {"roc_auc": {"min": 0.9}},
            "change": {"roc_auc": {"max_loss": 0}},
            "calibration": {"max_error": 0.01},
        },
        robustness=lost,
        slices=[_slice("AA", change=_loss(0.1, 0.001))],
    )
    blocked = {gate.key: gate.reason for gate in gates if gate.outcome == "block"}
    assert set(blocked) == {
        "evaluation.bounds.roc_auc.min",
        "evaluation.change.roc_auc.max_loss",
        "evaluation.calibration.max_error",
        "evaluation.stress.gaps.max_drop",
        "evaluation.slice_gate.max_loss",
    }
    for key, reason in blocked.items():
        assert reason.endswith(f"Decided by {key}.")


@pytest.mark.parametrize(
    ("called", "positives", "words"),
    [
        (0, 200, "never says yes: of 0 of the 1,000 rows"),
        (5, 200, "hardly ever says yes"),
        (1000, 600, "always says yes"),
        (980, 600, "nearly always says yes"),
        (100, 200, None),
        (3, 5, None),  # rare, and rightly so
    ],
)
def test_a_model_that_says_the_same_of_nearly_all_rows_warns_with_its_costs(
    called: int, positives: int, words: str | None
) -> None:
    made = {"threshold": 0.7, "positive": "yes", "rows": 1000}
    made |= {"called": called, "positives": positives}
    gates = _judge({"costs": {"false_positive": 5, "false_negative": 2}}, decisions=made, slices=[])
    found = [gate for gate in gates if gate.gate == "decisions"]
    assert is_blessed(gates)
    if words is None:
        assert not found
        return
    assert found[0].outcome == "warn"
    assert words in found[0].reason
    assert "a false positive costs 5 and a false negative 2" in found[0].reason
    assert found[0].reason.endswith("Decided by evaluation.costs.")


def test_losing_to_the_trees_blocks_where_the_config_says_so() -> None:
    entry = {
        "name": "trees",
        "metric": _interval(0.85),
        "difference": {**_interval(-0.05), "p": 1.0},
    }
    gates = _judge({"baselines": {"trees": "block"}}, baselines=[entry])
    assert not is_blessed(gates)
    assert "Prefer the trees." in gates[0].reason


def test_a_baseline_that_cannot_be_compared_blocks() -> None:
    entry = {
        "name": "linear",
        "metric": _interval(None),
        "difference": {**_interval(None), "p": None},
        "insufficient": "fewer than 5 keys or blocks",
    }
    gates = _judge(
        {"block": {"column": "days", "length": 3}, "resample": "blocks"}, baselines=[entry]
    )
    assert not is_blessed(gates)
    assert gates[0].reason == (
        "roc_auc could not be compared with the linear model on the 1,000 rows of test: fewer than "
        "5 keys or blocks. Bring more rows, or give test a larger share (data.split.shares), or "
        "make evaluation.block.length shorter. Decided by evaluation.baselines.linear."
    )


def test_gaps_between_groups_are_checked_against_their_bounds() -> None:
    fairness = [
        {
            "column": "sex",
            "groups": [],
            "gaps": {
                "selection_rate": {**_interval(0.3), "bound": 0.2, "between": ["f", "m"]},
                "true_positive_rate": {**_interval(0.3), "bound": None, "between": ["f", "m"]},
                "false_positive_rate": {**_interval(None), "bound": 0.1, "between": None},
            },
        }
    ]
    gates = _judge({}, fairness=fairness)
    blocked = _one(gates, "fairness", "block")
    assert (blocked.subject, blocked.metric) == ("sex", "selection_rate")
    assert "between sex f and m" in blocked.reason
    assert _one(gates, "fairness", "insufficient").metric == "false_positive_rate"


def test_stresses_and_calibration() -> None:
    robustness = [
        _stress("noise", 0.05, 0.01),
        _stress("gaps", 0.05, 0.01, "warn"),
        _stress("fog", 0.05, None),
        _stress("lost", None, 0.01),
    ]
    gates = _judge({"calibration": {"max_error": 0.02}}, robustness=robustness)
    outcomes = {gate.subject: gate.outcome for gate in gates if gate.gate == "robustness"}
    assert outcomes == {"noise": "block", "gaps": "warn", "lost": "block"}
    assert _one(gates, "calibration", "block").value == 0.03


def test_where_nothing_is_asked_nothing_is_blessed() -> None:
    gates = _judge({}, baselines=[], slices=[])
    assert not is_blessed(gates)
    assert "Nothing is asked of a candidate" in gates[0].reason


def test_our_figures_and_the_record_must_agree() -> None:
    evidence = Evidence.model_validate(EVIDENCE)

    def record(value: float) -> CandidateMetrics:
        entry = {"slice": {"carrier": "AA"}, "rows": 500, "metrics": {"roc_auc": value}}
        return CandidateMetrics.model_validate({"metrics": RECORD, "slices": [entry]})

    (same,) = tfma_parity(evidence, record(0.75))
    assert same.outcome == "pass"
    assert same.reason.startswith("3 metrics")
    (apart,) = tfma_parity(evidence, record(0.7501))
    assert apart.outcome == "warn"
    assert "carrier=AA" in apart.reason
    sampled = [{"what": "slices", "rows": 10, "all_rows": 20}]
    on_a_sample = Evidence.model_validate(EVIDENCE | {"sampled": sampled})
    assert tfma_parity(on_a_sample, record(0.7501)) == []


def test_words() -> None:
    assert figure(None) == "unknown"
    assert figure(0.00001) == "1.0e-05"
    assert figure(12345.678) == "12,345.7"
    assert with_interval(0.5, Interval()) == "0.5000"
    assert name_of({"a": 1, "b": "x"}) == "a=1, b=x"
