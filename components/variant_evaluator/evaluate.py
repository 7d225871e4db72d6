"""Compares one variant with float32: plain functions over files."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.compressor.make import MODEL_FOLDER, VARIANT_FILE
from components.variant_evaluator.gates import judge
from contracts.artifact import ARTIFACT_FILE
from contracts.errors import ModelError
from contracts.files import read_json
from contracts.results.evidence import SliceEvidence
from contracts.results.variant import Cost, VariantParity, VariantVerdict
from evidence.compare import compare, main_metric
from evidence.config import EvaluationSpec
from evidence.measures import sign_of
from evidence.prediction_table import CANDIDATE, PredictionTable
from models.compression.benchmark import Benchmark, BenchmarkTask, run_benchmark
from models.compression.sizes import measured_bytes
from models.compression.spec import VariantSpec, is_reference, tolerance_of
from models.compression.weights import GOLDEN_FOLDER

REPEATS = 300
_KEPT_SLICES = 20

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """How all variants are judged.

    Attributes:
      spec: Slices, resamples, confidence.
      seed: Of the resamples.
      cluster_columns: Columns whose equal values mark rows that are drawn together.
      timeout_s: How long a process may take.
    """

    spec: EvaluationSpec
    seed: int
    cluster_columns: tuple[str, ...]
    timeout_s: float


def evaluate_variant(
    variant: VariantSpec,
    folder: Path,
    reference: Path,
    table: PredictionTable,
    write_rows: Callable[[Path], None],
    setting: Setting,
) -> VariantVerdict:
    """Measures a variant and judges it.

    Args:
      variant: The variant and its gates.
      folder: What the Compressor wrote for it.
      reference: What the Compressor wrote for float32.
      table: The candidate's predictions of the rows of test.
      write_rows: Writes the same rows, as raw columns, to a Parquet file.
      setting: How to judge.
    """
    made = read_json(folder / VARIANT_FILE)
    verdict = _unmeasured(made, main_metric(table, setting.spec), table)
    if made["status"] != "made":
        return verdict.model_copy(update={"status": made["status"], "reasons": [made["reason"]]})
    try:
        benchmark, scores = _benchmark(variant, folder, reference, write_rows, setting.timeout_s)
    except ModelError as error:
        _LOG.exception("the variant %s did not run", variant.name)
        return verdict.model_copy(update={"reasons": [" ".join([error.what, error.received])]})
    own = {} if made["threshold"] is None else {variant.name: float(made["threshold"])}
    compared = table.with_models({variant.name: scores}, own)
    verdict = verdict.model_copy(
        update={
            **_costs(variant, folder, reference, benchmark, made),
            **_quality(variant.name, compared, setting),
        }
    )
    gates = judge(variant, verdict)
    blocked = [gate.reason for gate in gates if gate.outcome == "block"]
    status = "refused" if blocked else "blessed"
    return verdict.model_copy(update={"gates": gates, "status": status, "reasons": blocked})


def _unmeasured(made: Mapping[str, Any], metric: str, table: PredictionTable) -> VariantVerdict:
    """What is known of a variant before it runs; it has failed until it has."""
    return VariantVerdict(
        name=made["name"],
        weights=made["weights"],
        format=made["format"],
        kind=made["kind"],
        status="failed",
        metric=metric,
        higher_is_better=sign_of(table.task, metric) > 0,
        seconds={"convert": made["seconds"]},
    )


def _benchmark(
    variant: VariantSpec,
    folder: Path,
    reference: Path,
    write_rows: Callable[[Path], None],
    timeout_s: float,
) -> tuple[Benchmark, np.ndarray[Any, Any]]:
    with tempfile.TemporaryDirectory(prefix="kelp-variant-") as work:
        rows, answers = Path(work) / "rows.parquet", Path(work) / "answers.npy"
        write_rows(rows)
        task = BenchmarkTask(
            name=variant.name,
            folder=folder / MODEL_FOLDER,
            golden=folder / GOLDEN_FOLDER,
            rows=rows,
            answers=answers,
            tolerance=tolerance_of(variant),
            repeats=REPEATS,
            reference=reference / MODEL_FOLDER,
        )
        benchmark = run_benchmark(task, timeout_s)
        return benchmark, np.load(answers, allow_pickle=False)


def _costs(
    variant: VariantSpec,
    folder: Path,
    reference: Path,
    benchmark: Benchmark,
    made: Mapping[str, Any],
) -> dict[str, Any]:
    """The fields of the verdict about what the variant costs."""
    network = made["network"]
    reference_made = read_json(reference / VARIANT_FILE)
    mine = Cost(
        **measured_bytes(folder / MODEL_FOLDER),
        parameters=network["parameters"],
        timing=benchmark.timing,
    )
    other = Cost(
        **measured_bytes(reference / MODEL_FOLDER),
        parameters=reference_made["network"]["parameters"],
        timing=benchmark.reference,
        lean=reference_made.get("lean") or {},
    )
    layers = {path: layer["distinct"] for path, layer in network["layers"].items()}
    return {
        **{name: value for name, value in mine if name != "lean"},
        "model_bytes": _model_bytes(folder / MODEL_FOLDER),
        "sparsity": network["sparsity"],
        "distinct": layers if variant.weights.weights == "clustered" else None,
        "reference": other,
        "ratios": _ratios(mine, other, alone=is_reference(variant)),
        "parity": VariantParity(**dict(benchmark.parity), tolerance=tolerance_of(variant)),
    }


def _model_bytes(folder: Path) -> int:
    """Without `artifact.json`: what a converter alone made."""
    description = folder / ARTIFACT_FILE
    whole = measured_bytes(folder)["bytes"]
    return whole - (description.stat().st_size if description.is_file() else 0)


def _ratios(mine: Cost, other: Cost, *, alone: bool) -> dict[str, float]:
    """Variant over float32; the reference's own are 1, whatever the noise of two timings.

    `lean_bytes` and `lean_gzip_bytes` compare with float32 as a variant is written.
    """
    lean = {f"lean_{name}": getattr(mine, name) / size for name, size in other.lean.items()}
    pairs = zip(_figures(mine).items(), _figures(other).values(), strict=True)
    return {
        name: 1.0 if alone else value / base if base else 0.0 for (name, value), base in pairs
    } | lean


def _figures(cost: Cost) -> dict[str, float]:
    """A row must be prepared before a runtime takes it; a SavedModel does that itself."""
    timing = cost.timing
    return {
        "bytes": cost.bytes,
        "gzip_bytes": cost.gzip_bytes,
        "parameters": cost.parameters,
        "p50_ms": timing.p50_ms + timing.prepare_ms,
        "p95_ms": timing.p95_ms + timing.prepare_ms,
        "rows_per_s": timing.rows_per_s,
        "peak_memory_mib": timing.peak_memory_mib,
    }


def _quality(name: str, table: PredictionTable, setting: Setting) -> dict[str, Any]:
    """The fields of the verdict about how well the variant predicts."""
    compared = compare(
        table,
        name,
        CANDIDATE,
        setting.spec,
        setting.seed,
        find=False,
        cluster_columns=setting.cluster_columns,
    )
    slices = sorted(compared.slices, key=_upper_loss, reverse=True)
    return {
        "metrics": {metric: entry.candidate for metric, entry in compared.metrics.items()},
        "difference": {metric: entry.difference for metric, entry in compared.metrics.items()},
        "slices": slices[:_KEPT_SLICES],
    }


def _upper_loss(entry: SliceEvidence) -> float:
    high = None if entry.change is None else entry.change.high
    return float("-inf") if high is None else high
