"""`summary.json`: what a run came to."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from contracts.results.advice import Advice
from contracts.results.evidence import Cell, Interval, NotMeasured
from contracts.results.files import Result, ResultFile, SparseResult
from contracts.results.gates import Gate
from contracts.results.sample import SampledRows
from contracts.results.training import TrainingReport
from contracts.results.variant import PlacedVariant

Metrics = dict[str, int | float | list[Any] | None]
"""TFMA's metrics by name; `rows`, `confusion` and `f1_by_class` among them."""


class SliceMetrics(SparseResult):
    """TFMA's metrics on one slice, or why there are none."""

    slice: dict[str, Cell]
    rows: int
    insufficient: str | None = None
    metrics: Metrics | None = None


class CandidateMetrics(Result):
    """TFMA's metrics of the candidate: on all rows, and by slice."""

    metrics: Metrics
    slices: list[SliceMetrics] = []


class ModelCost(Result):
    """What a model costs; None where it was not measured.

    Attributes:
      training_seconds: Of the fit.
      row_us: Microseconds from one raw row to its scores, by the float32 SavedModel with one
        thread.
      bulk_row_us: The same a row, in batches of 64.
      bytes: Of the SavedModel's folder, the transform graph included.
    """

    training_seconds: float | None = None
    row_us: float | None = None
    bulk_row_us: float | None = None
    bytes: int | None = None


class BaselineMetrics(Result):
    """The metrics of the last blessed model on the same rows, and what its own run measured.

    Attributes:
      metrics: By name.
      run_id: The run that trained it; None where that run is not among the runs any more.
      cost: What it costs, as that run measured it.
    """

    metrics: dict[str, float | None]
    run_id: str | None = None
    cost: ModelCost = ModelCost()


class RunTraining(TrainingReport):
    """The training report, and the folder that it is in."""

    folder: str


class Recommendation(Result):
    """A variant, and why to take it."""

    name: str
    reason: str


class MlflowRun(Result):
    """Where the run is in MLflow; `warning` says why it is not."""

    uri: str
    run_id: str = ""
    warning: str = ""
    model_version: str | None = None
    aliases: list[str] = []
    artifacts: str = ""


class Digests(Result):
    """What the run was made from."""

    config: str
    data: str | None
    source: str


class Summary(ResultFile):
    """What the run came to; a run that failed has the figures of the components that ended.

    Attributes:
      error: The lines of the error.
      stopped_at: The component that failed.
      seconds: By component, as are `cached` and `peak_memory_mib`.
      rows: By split.
      reasons: Why the candidate was not blessed, and warnings.
      cost: What the candidate costs.
      advice: Which model to use, and what to do next.
      metric: The main metric.
      intervals: The candidate's, by metric.
      not_measured: What the kinds of some features, or the network, do not offer.
      sampled: Which figures are on a sample of the rows; TFMA's metrics, in `candidate`, never are.
      recommended: By place (`server`, `phone`, `download`).
      folders: The artifacts' folders, by what they hold.
      versions: By package.
    """

    FILE: ClassVar[str] = "summary.json"

    version: Literal[1] = 1
    name: str
    run_id: str
    status: Literal["succeeded", "failed", "interrupted"]
    error: list[str] | None = None
    stopped_at: str | None = None
    started: str
    total_seconds: float
    seconds: dict[str, float] = {}
    cached: dict[str, bool] = {}
    peak_memory_mib: dict[str, int] = {}
    rows: dict[str, int] = {}
    candidate: CandidateMetrics | None = None
    cost: ModelCost = ModelCost()
    baseline: BaselineMetrics | None = None
    blessed: bool = False
    reasons: list[str] = []
    advice: Advice | None = None
    gates: list[Gate] = []
    metric: str | None = None
    intervals: dict[str, Interval] = {}
    pushed_to: str | None = None
    variants: list[PlacedVariant] = []
    recommended: dict[str, Recommendation | None] = {}
    training: RunTraining | None = None
    not_measured: list[NotMeasured] = []
    sampled: list[SampledRows] = []
    warnings: list[str] = []
    mlflow: MlflowRun | None = None
    digests: Digests
    seed: int
    config: str
    overrides: list[str] = []
    folders: dict[str, str] = {}
    versions: dict[str, str] = {}
