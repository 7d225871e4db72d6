"""What a run's candidate costs, and what its last blessed predecessor does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contracts.results.files import ResultError, read_content, read_result
from contracts.results.summary import ModelCost, Summary
from contracts.results.training import TrainingReport
from contracts.results.variant import VariantVerdict
from pipelines.runs.find import SUMMARY

_SAVED_MODEL = "Format-Serving"


def cost_of_candidate(
    training: TrainingReport | None, model: Path | None, variants: Sequence[VariantVerdict]
) -> ModelCost:
    """Gathers what was measured of the candidate.

    Args:
      training: The report of its fit.
      model: The folder of the Trainer's model.
      variants: The verdicts; float32 among them is the candidate itself.
    """
    timing = next((one.timing for one in variants if one.is_reference), None)
    return ModelCost(
        training_seconds=None if training is None else training.seconds,
        row_us=None if timing is None else 1e3 * (timing.p50_ms + timing.prepare_ms),
        bulk_row_us=None if timing is None or not timing.rows_per_s else 1e6 / timing.rows_per_s,
        bytes=None if model is None else _bytes_of(model / _SAVED_MODEL),
    )


def _bytes_of(folder: Path) -> int | None:
    if not folder.is_dir():
        return None
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run_of_model(runs: Path, model: str) -> Summary | None:
    """Finds the latest run of a pipeline that trained a model; None where none is left.

    A run that took the model from the cache measured it too: of all such runs the latest
    counts. Summaries that another version of Kelp wrote are passed over.

    Args:
      runs: The folder of the pipeline's runs.
      model: The folder of the Trainer's model.
    """
    for path in sorted(runs.glob(f"*/{SUMMARY}"), reverse=True):
        if path.parent.is_symlink():
            continue
        try:
            content = read_content(path)
            if (content.get("folders") or {}).get("model") == model:
                return read_result(path.parent, Summary)
        except ResultError:
            continue
    return None
