"""Weighs one variant against float32: plain functions over files."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.compressor.make import MODEL_FOLDER, VARIANT_FILE
from components.variant_evaluator.gates import judge
from contracts.artifact import ARTIFACT_FILE
from contracts.errors import ModelError
from contracts.files import read_json
from evidence.compare import compare, main_metric
from evidence.config import EvaluationSpec
from evidence.measures import sign_of
from evidence.prediction_table import CANDIDATE, PredictionTable
from models.compression.benchmark import Proof, Task, prove
from models.compression.sizes import measured_bytes
from models.compression.spec import VariantSpec, is_reference, tolerance_of
from models.compression.weights import GOLDEN_FOLDER

VERDICT_FILE = "verdict.json"
REPEATS = 300
_KEPT_SLICES = 20

_LOG = logging.getLogger(__name__)
Facts = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What all variants are weighed by.

    Attributes:
      spec: Slices, resamples, confidence.
      seed: Of the resamples.
      together: Columns whose equal values mark rows that are drawn together.
      timeout_s: How long a process may take.
    """

    spec: EvaluationSpec
    seed: int
    together: tuple[str, ...]
    timeout_s: float


def evaluate_variant(
    variant: VariantSpec,
    folder: Path,
    reference: Path,
    table: PredictionTable,
    rows: pa.Table,
    setting: Setting,
) -> Facts:
    """Gives the content of `verdict.json`.

    Args:
      variant: The variant and its gates.
      folder: What the Compressor wrote for it.
      reference: What the Compressor wrote for float32.
      table: The candidate's predictions of the rows of test.
      rows: The same rows, as raw columns.
      setting: How to weigh.
    """
    made = read_json(folder / VARIANT_FILE)
    facts = _told(made, main_metric(table, setting.spec), table)
    if made["status"] != "made":
        return facts | {"status": made["status"], "reasons": [made["reason"]]}
    try:
        proof, scores = _prove(variant, folder, reference, rows, setting.timeout_s)
    except ModelError as error:
        _LOG.exception("the variant %s did not run", variant.name)
        reason = " ".join([error.what, error.received])
        return facts | {"status": "failed", "reasons": [reason]}
    facts |= _costs(variant, folder, reference, proof, made)
    own = {} if made["threshold"] is None else {variant.name: float(made["threshold"])}
    facts |= _worth(variant.name, table.with_models({variant.name: scores}, own), setting)
    gates = judge(variant, facts)
    blocked = [gate.reason for gate in gates if gate.outcome == "block"]
    status = "refused" if blocked else "blessed"
    entries = [gate.to_dict() for gate in gates]
    return facts | {"gates": entries, "status": status, "reasons": blocked}


def _told(made: Mapping[str, Any], metric: str, table: PredictionTable) -> Facts:
    """What is known of a variant before it runs; the rest is empty."""
    empty: Facts = {"gates": [], "metrics": {}, "difference": {}, "slices": [], "ratios": {}}
    for key in (
        "bytes",
        "model_bytes",
        "gzip_bytes",
        "parameters",
        "sparsity",
        "distinct",
        "timing",
    ):
        empty[key] = None
    return {
        **{key: made[key] for key in ("name", "weights", "format", "kind")},
        **empty,
        "reference": None,
        "parity": None,
        "metric": metric,
        "higher_is_better": sign_of(table.task, metric) > 0,
        "seconds": {"convert": made["seconds"]},
    }


def _prove(
    variant: VariantSpec, folder: Path, reference: Path, raw: pa.Table, timeout_s: float
) -> tuple[Proof, np.ndarray[Any, Any]]:
    with tempfile.TemporaryDirectory(prefix="kelp-variant-") as work:
        rows, answers = Path(work) / "rows.parquet", Path(work) / "answers.npy"
        pq.write_table(raw, rows)
        task = Task(
            name=variant.name,
            folder=folder / MODEL_FOLDER,
            golden=folder / GOLDEN_FOLDER,
            rows=rows,
            answers=answers,
            tolerance=tolerance_of(variant),
            repeats=REPEATS,
            reference=reference / MODEL_FOLDER,
        )
        proof = prove(task, timeout_s)
        return proof, np.load(answers, allow_pickle=False)


def _costs(
    variant: VariantSpec,
    folder: Path,
    reference: Path,
    proof: Proof,
    made: Mapping[str, Any],
) -> Facts:
    network = made["network"]
    clustered = variant.weights.weights == "clustered"
    layers = {path: layer["distinct"] for path, layer in network["layers"].items()}
    made_reference = read_json(reference / VARIANT_FILE)
    mine = {
        **measured_bytes(folder / MODEL_FOLDER),
        "parameters": network["parameters"],
        "timing": proof.timing.to_dict(),
    }
    other = {
        **measured_bytes(reference / MODEL_FOLDER),
        "parameters": made_reference["network"]["parameters"],
        "timing": proof.reference.to_dict(),
        "lean": made_reference.get("lean") or {},
    }
    return {
        **mine,
        "model_bytes": _model_bytes(folder / MODEL_FOLDER),
        "sparsity": network["sparsity"],
        "distinct": layers if clustered else None,
        "reference": other,
        "ratios": _ratios(mine, other, alone=is_reference(variant)),
        "parity": {**proof.parity.to_dict(), "tolerance": tolerance_of(variant)},
    }


def _model_bytes(folder: Path) -> int:
    """Without `artifact.json`: what a converter alone made."""
    description = folder / ARTIFACT_FILE
    whole = measured_bytes(folder)["bytes"]
    return whole - (description.stat().st_size if description.is_file() else 0)


def _ratios(mine: Facts, other: Facts, *, alone: bool) -> dict[str, float]:
    """Variant over float32; the reference's own are 1, whatever the noise of two timings.

    `lean_bytes` and `lean_gzip_bytes` compare with float32 as a variant is written.
    """
    lean = {f"lean_{name}": mine[name] / size for name, size in other["lean"].items()}
    pairs = {name: (mine[name], other[name]) for name in ("bytes", "gzip_bytes", "parameters")}
    for name in ("p50_ms", "p95_ms", "rows_per_s", "peak_memory_mib"):
        pairs[name] = (_whole_time(mine, name), _whole_time(other, name))
    if alone:
        return dict.fromkeys(pairs, 1.0) | lean
    return {name: one / base if base else 0.0 for name, (one, base) in pairs.items()} | lean


def _whole_time(facts: Facts, name: str) -> float:
    """A row must be prepared before a runtime takes it; a SavedModel does that itself."""
    timing = facts["timing"]
    extra = timing["prepare_ms"] if name in ("p50_ms", "p95_ms") else 0.0
    return float(timing[name] + extra)


def _worth(name: str, table: PredictionTable, setting: Setting) -> Facts:
    compared = compare(
        table,
        name,
        CANDIDATE,
        setting.spec,
        setting.seed,
        find=False,
        together=setting.together,
    )
    slices = sorted(compared["slices"], key=_upper_loss, reverse=True)
    return {
        "metrics": {metric: entry[name] for metric, entry in compared["metrics"].items()},
        "difference": {
            metric: entry["difference"] for metric, entry in compared["metrics"].items()
        },
        "slices": slices[:_KEPT_SLICES],
    }


def _upper_loss(entry: Mapping[str, Any]) -> float:
    change = entry.get("change") or {}
    high = change.get("high")
    return float("-inf") if high is None else float(high)
