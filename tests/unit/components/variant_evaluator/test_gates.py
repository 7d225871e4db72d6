"""The gates of one variant."""

from __future__ import annotations

from typing import Any

import pytest

from components.variant_evaluator.gates import judge
from contracts.results.gates import Gate
from contracts.results.variant import VariantVerdict
from models.compression.spec import VariantSpec

FACTS: dict[str, Any] = {
    "name": "small",
    "weights": {"weights": "none"},
    "format": "savedmodel_int8",
    "kind": "savedmodel",
    "status": "failed",
    "metric": "roc_auc",
    "higher_is_better": True,
    "difference": {"roc_auc": {"value": -0.001, "low": -0.003, "high": 0.001}},
    "slices": [
        {
            "slice": {"carrier": "AA"},
            "source": "config",
            "rows": 900,
            "insufficient": None,
            "change": {"value": 0.002, "low": -0.01, "high": 0.02},
        },
        {
            "slice": {"carrier": "ZZ"},
            "source": "config",
            "rows": 9,
            "insufficient": "fewer than 100 rows",
            "change": None,
        },
    ],
    "bytes": 1000,
    "sparsity": 0.8,
    "ratios": {
        "bytes": 0.4,
        "gzip_bytes": 0.4,
        "parameters": 1.0,
        "p50_ms": 1.1,
        "p95_ms": 1.1,
        "rows_per_s": 0.9,
        "peak_memory_mib": 1.0,
    },
    "parity": {"rows": 100, "max_difference": 1e-7, "differences": {}, "tolerance": 1e-5},
}


def _judge(gates: dict[str, Any] | None = None, form: str = "savedmodel_int8", **facts: Any):
    spec = VariantSpec.model_validate(
        {
            "name": "small",
            "weights": {"weights": "none"},
            "format": form,
            "gates": gates or {},
        }
    )
    return {gate.gate: gate for gate in judge(spec, VariantVerdict.model_validate(FACTS | facts))}


def _blocked(gates: dict[str, Gate]) -> set[str]:
    return {name for name, gate in gates.items() if gate.outcome == "block"}


def test_a_sound_variant_passes_what_is_required() -> None:
    gates = _judge()
    assert _blocked(gates) == set()
    assert set(gates) == {"variant_parity", "variant_drop", "variant_saving"}
    assert all(gate.subject == "small" for gate in gates.values())


def test_the_upper_end_of_the_drop_is_what_counts() -> None:
    wide = {"roc_auc": {"value": 0.0, "low": -0.006, "high": 0.006}}
    gates = _judge(difference=wide)
    assert _blocked(gates) == {"variant_drop"}
    assert gates["variant_drop"].high == 0.006
    assert _blocked(_judge({"max_drop": 0.01}, difference=wide)) == set()


def test_a_refusal_names_the_key_that_decides_it() -> None:
    gates = _judge({"max_bytes": 10, "max_slice_drop": 0.01})
    assert gates["variant_bytes"].reason.endswith("Decided by variants.small.gates.max_bytes.")
    assert gates["variant_slice"].key == "variants.small.gates.max_slice_drop"


def test_lower_may_be_better() -> None:
    worse = {"roc_auc": {"value": 0.01, "low": 0.009, "high": 0.011}}
    assert _blocked(_judge(difference=worse, higher_is_better=False)) == {"variant_drop"}
    assert _blocked(_judge(difference=worse)) == set()


def test_a_drop_that_cannot_be_computed_blocks() -> None:
    nothing = {"roc_auc": {"value": None, "low": None, "high": None}}
    assert _blocked(_judge(difference=nothing)) == {"variant_drop"}


def test_the_worst_slice_with_rows_enough_is_checked_against_its_bound() -> None:
    gates = _judge({"max_slice_drop": 0.01})
    assert _blocked(gates) == {"variant_slice"}
    assert gates["variant_slice"].slice == {"carrier": "AA"}
    assert _blocked(_judge({"max_slice_drop": 0.03})) == set()


@pytest.mark.parametrize("off", [2e-5, float("nan"), float("inf")])
def test_answers_unlike_its_own_network_block(off: float) -> None:
    parity = {**FACTS["parity"], "max_difference": off}
    assert _blocked(_judge(parity=parity)) == {"variant_parity"}


@pytest.mark.parametrize(
    ("gates", "blocked"),
    [
        ({"max_bytes": 999}, {"variant_bytes"}),
        ({"max_bytes": 1000}, set()),
        ({"max_latency_ratio": 1.0}, {"variant_latency"}),
        ({"max_latency_ratio": 1.2}, set()),
        ({"min_sparsity": 0.81}, {"variant_sparsity"}),
        ({"min_sparsity": 0.8}, set()),
    ],
)
def test_costs_are_checked_against_their_bounds(gates: dict[str, Any], blocked: set[str]) -> None:
    assert _blocked(_judge(gates)) == blocked


def test_what_saves_nothing_is_refused_but_the_candidate_itself() -> None:
    ratios = {**FACTS["ratios"], "bytes": 1.2, "gzip_bytes": 1.0, "p50_ms": 0.97}
    gates = _judge(ratios=ratios)
    assert _blocked(gates) == {"variant_saving"}
    assert "it saves nothing" in gates["variant_saving"].reason
    assert _blocked(_judge(ratios={**ratios, "p50_ms": 0.5})) == set()
    assert "variant_saving" not in _judge(form="savedmodel_float32", ratios=ratios)
