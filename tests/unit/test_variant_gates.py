"""Every gate of a variant: where it passes, where it blocks, and what it says."""

import math

import pytest

from components.variant_evaluator.gates import judge
from models.compression.spec import VariantsSpec

RATIOS = {"bytes": 0.3, "gzip_bytes": 0.4, "p50_ms": 1.2, "rows_per_s": 0.9}


def _judge(gates=None, name="int8", form="savedmodel_int8", **facts):
    (spec,) = VariantsSpec.model_validate(
        {"variants": {name: {"format": form, "gates": gates or {}}}}
    ).resolved()
    whole = {
        "parity": {"rows": 100, "max_difference": 0.01, "tolerance": 0.1},
        "metric": "auc",
        "higher_is_better": True,
        "difference": {"auc": {"value": -0.001, "low": -0.003, "high": 0.001}},
        "slices": [],
        "bytes": 1000,
        "sparsity": 0.1,
        "ratios": RATIOS,
    }
    found = {gate.gate: gate for gate in judge(spec, whole | facts)}
    assert {gate.subject for gate in found.values()} == {name}
    return found


def test_what_is_asked_is_judged_and_no_more():
    found = _judge()
    assert list(found) == ["variant_parity", "variant_drop", "variant_saving"]
    assert {gate.outcome for gate in found.values()} == {"pass"}


@pytest.mark.parametrize(
    ("difference", "outcome"),
    [(0.1, "pass"), (0.1000001, "block"), (math.inf, "block"), (math.nan, "block")],
)
def test_answers_may_be_as_far_apart_as_the_tolerance(difference, outcome):
    parity = {"rows": 100, "max_difference": difference, "tolerance": 0.1}
    assert _judge(parity=parity)["variant_parity"].outcome == outcome


@pytest.mark.parametrize(
    ("higher", "low", "high", "outcome"),
    [
        (True, -0.005, 0.0, "pass"),
        (True, -0.006, 0.0, "block"),
        (False, 0.0, 0.005, "pass"),
        (False, 0.0, 0.006, "block"),
        (False, -0.006, 0.0, "pass"),
    ],
)
def test_the_upper_end_of_the_loss_decides(higher, low, high, outcome):
    difference = {"auc": {"value": (low + high) / 2, "low": low, "high": high}}
    gate = _judge(higher_is_better=higher, difference=difference)["variant_drop"]
    assert gate.outcome == outcome
    assert gate.bound == 0.005
    assert gate.low <= gate.value <= gate.high


def test_a_metric_that_cannot_be_compared_blocks():
    gate = _judge(difference={"auc": {"value": None, "low": None, "high": None}})["variant_drop"]
    assert gate.outcome == "block"
    assert "could not be compared" in gate.reason


def _slice(high, insufficient=None, origin="JFK"):
    change = {"value": high / 2, "low": 0.0, "high": high}
    where = {"origin": origin}
    return {"slice": where, "rows": 500, "insufficient": insufficient, "change": change}


def test_the_worst_slice_with_rows_enough_decides():
    slices = [_slice(0.5, "too few rows"), _slice(0.02, origin="LGA"), _slice(0.01)]
    assert "variant_slice" not in _judge(slices=slices)
    gate = _judge({"max_slice_drop": 0.02}, slices=slices)["variant_slice"]
    assert (gate.outcome, gate.slice) == ("pass", {"origin": "LGA"})
    gate = _judge({"max_slice_drop": 0.019}, slices=slices)["variant_slice"]
    assert gate.outcome == "block"
    assert "LGA" in gate.reason
    assert "variant_slice" not in _judge({"max_slice_drop": 0.01}, slices=slices[:1])


@pytest.mark.parametrize(
    ("gates", "name", "outcome"),
    [
        ({"max_bytes": 1000}, "variant_bytes", "pass"),
        ({"max_bytes": 999}, "variant_bytes", "block"),
        ({"max_latency_ratio": 1.2}, "variant_latency", "pass"),
        ({"max_latency_ratio": 1.1}, "variant_latency", "block"),
        ({"min_sparsity": 0.1}, "variant_sparsity", "pass"),
        ({"min_sparsity": 0.2}, "variant_sparsity", "block"),
    ],
)
def test_costs_are_held_to_their_bounds(gates, name, outcome):
    gate = _judge(gates)[name]
    assert gate.outcome == outcome
    assert gate.bound == next(iter(gates.values()))


@pytest.mark.parametrize("name", RATIOS)
def test_one_saving_is_enough_and_none_is_too_little(name):
    nothing = dict.fromkeys(RATIOS, 1.0)
    gate = _judge(ratios=nothing)["variant_saving"]
    assert gate.outcome == "block"
    assert "saves nothing" in gate.reason
    better = nothing | {name: 1.2 if name == "rows_per_s" else 0.8}
    assert _judge(ratios=better)["variant_saving"].outcome == "pass"


def test_speeds_within_the_noise_are_no_saving():
    ratios = {"bytes": 1.0, "gzip_bytes": 1.0, "p50_ms": 0.96, "rows_per_s": 1.04}
    assert _judge(ratios=ratios)["variant_saving"].outcome == "block"


def test_float32_need_not_save():
    found = _judge(name="float32", form="savedmodel_float32", ratios=dict.fromkeys(RATIOS, 1.0))
    assert "variant_saving" not in found
