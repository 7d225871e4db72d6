"""The variants of a candidate as MLflow keeps them: flat metrics, tags and one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from contracts.files import read_json
from contracts.results.files import read_result
from contracts.results.variant import PlacedVariant, VariantVerdict

VARIANTS_FILE = "variants.json"
_PUSHED_FILE = "pushed.json"
_SIZES = ("bytes", "gzip_bytes", "sparsity")
_RATIOS = {"ratio_bytes": "bytes", "ratio_p50": "p50_ms", "ratio_rows_per_s": "rows_per_s"}


def read_verdicts(
    verdicts: Sequence[Path], pushed: Sequence[Path], order: Sequence[str], candidate: str
) -> list[PlacedVariant]:
    """Reads the verdicts on the variants, each with the place that it was pushed to.

    Args:
      verdicts: The folders of the verdicts.
      pushed: The folders that say where variants were pushed to.
      order: The variants' names as the config has them.
      candidate: Where the candidate was pushed to, which float32 is; empty for nowhere.
    """
    places: dict[str, str] = {}
    for folder in pushed:
        places |= read_json(folder / _PUSHED_FILE)["pushed"]
    read = [read_result(folder, VariantVerdict) for folder in verdicts]
    ranks = {name: rank for rank, name in enumerate(order)}
    return sorted(
        (place_variant(verdict, places, candidate) for verdict in read),
        key=lambda verdict: ranks.get(verdict.name, len(ranks)),
    )


def place_variant(
    verdict: VariantVerdict, places: Mapping[str, str], candidate: str = ""
) -> PlacedVariant:
    """Adds where a variant was pushed to: float32 is the candidate."""
    place = candidate if verdict.is_reference and candidate else places.get(verdict.name)
    return PlacedVariant(**dict(verdict), pushed_to=place)


def variant_metrics(verdicts: Sequence[VariantVerdict]) -> dict[str, float]:
    """Gives `variant.int8.bytes`, `variant.int8.ratio_p50`, `variant.int8.roc_auc`, ..."""
    return {
        f"variant.{verdict.name}.{name}": float(value)
        for verdict in verdicts
        for name, value in _figures(verdict)
        if value is not None
    }


def _figures(verdict: VariantVerdict) -> Iterator[tuple[str, float | None]]:
    for name in _SIZES:
        yield name, getattr(verdict, name)
    for name, key in _RATIOS.items():
        yield name, verdict.ratios.get(key)
    difference = verdict.main_difference
    yield verdict.metric, verdict.main_metric
    for suffix, value in (
        ("", difference.value),
        (".low", difference.low),
        (".high", difference.high),
    ):
        yield f"difference.{verdict.metric}{suffix}", value


def variant_tags(verdicts: Sequence[VariantVerdict]) -> dict[str, str]:
    """Gives `variant.int8: blessed`, one for each."""
    return {f"variant.{verdict.name}": verdict.status for verdict in verdicts}
