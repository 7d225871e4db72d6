"""`baselines.json`: how the baseline models were fitted."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from contracts.results.evidence import NotMeasured
from contracts.results.files import Result, ResultFile


class BaselineModel(Result):
    """One baseline model; `threshold` is its own operating threshold (binary only)."""

    threshold: float | None = None
    val_metrics: dict[str, float | None]
    seconds: float
    settings: dict[str, Any]


class BaselineReport(ResultFile):
    """The baseline models by name; each learned from `train_rows` rows at most."""

    FILE: ClassVar[str] = "baselines.json"

    version: Literal[1] = 1
    models: dict[str, BaselineModel]
    rows: dict[str, int]
    train_rows: int
    seed: int
    not_measured: list[NotMeasured] = []
