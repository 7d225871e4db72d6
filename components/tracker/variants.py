"""The variants of a candidate as MLflow keeps them: flat metrics, tags and one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.files import read_json
from evidence.variant_choice import is_reference

VARIANTS_FILE = "variants.json"
_VERDICT_FILE = "verdict.json"
_PUSHED_FILE = "pushed.json"
_SIZES = ("bytes", "gzip_bytes", "sparsity")
_RATIOS = {"ratio_bytes": "bytes", "ratio_p50": "p50_ms", "ratio_rows_per_s": "rows_per_s"}

Verdict = Mapping[str, Any]


def read_verdicts(
    verdicts: Sequence[Path], pushed: Sequence[Path], order: Sequence[str], candidate: str
) -> list[dict[str, Any]]:
    """Reads the verdicts on the variants, each with the place that it was pushed to.

    Args:
      verdicts: The folders of the verdicts.
      pushed: The folders that tell where variants were pushed to.
      order: The variants' names as the config has them.
      candidate: Where the candidate was pushed to, which float32 is; empty for nowhere.
    """
    told: dict[str, str] = {}
    for folder in pushed:
        told |= read_json(folder / _PUSHED_FILE)["pushed"]
    read = [read_json(folder / _VERDICT_FILE) for folder in verdicts]
    placed = [{**one, "pushed_to": _place(one, told, candidate)} for one in read]
    ranks = {name: rank for rank, name in enumerate(order)}
    return sorted(placed, key=lambda one: ranks.get(one["name"], len(ranks)))


def _place(verdict: Verdict, pushed: Mapping[str, str], candidate: str) -> str | None:
    if is_reference(verdict) and candidate:
        return candidate
    return pushed.get(verdict["name"])


def variant_metrics(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Gives `variant.int8.bytes`, `variant.int8.ratio_p50`, `variant.int8.roc_auc`, ..."""
    return {
        f"variant.{one['name']}.{name}": float(value)
        for one in verdicts
        for name, value in _figures(one)
        if value is not None
    }


def _figures(verdict: Verdict) -> Iterator[tuple[str, float | None]]:
    for name in _SIZES:
        yield name, verdict.get(name)
    ratios, metric = verdict.get("ratios") or {}, verdict.get("metric")
    for name, key in _RATIOS.items():
        yield name, ratios.get(key)
    if metric:
        yield metric, ((verdict.get("metrics") or {}).get(metric) or {}).get("value")
        change = (verdict.get("difference") or {}).get(metric) or {}
        for suffix, key in (("", "value"), (".low", "low"), (".high", "high")):
            yield f"difference.{metric}{suffix}", change.get(key)


def variant_tags(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Gives `variant.int8: blessed`, one for each."""
    return {f"variant.{one['name']}": str(one["status"]) for one in verdicts}
