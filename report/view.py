"""What the report shows, as plain values; a part that was not measured says why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from contracts.results.advice import Advice, LearningCurve
from contracts.results.audit import AuditCheck, DataFinding, FeaturePower, LabelErrors, Shift
from contracts.results.evidence import (
    Calibration,
    Confusion,
    Curves,
    ErrorExample,
    FairnessEvidence,
    FoldMetrics,
    Gain,
    Importance,
    Interval,
    MetricEvidence,
    SliceEvidence,
    StressEvidence,
)
from contracts.results.forecast import ForecastEvidence
from contracts.results.gates import Gate, Outcome
from contracts.results.summary import ModelCost, Summary
from contracts.results.training import TrainingReport

if TYPE_CHECKING:
    from report.sections.contents import ContentView
    from report.variants_view import Variants

T = TypeVar("T")
Tone = Literal["good", "warn", "bad", "none"]


@dataclass(frozen=True)
class Part(Generic[T]):
    """A part of the report: its content, or the reason why there is none.

    `left_out` says what a long table does not show, and where it is.
    """

    content: T | None = None
    absent: str = ""
    left_out: str = ""


@dataclass(frozen=True)
class Tile:
    """One of the few figures that a hurried reader takes along."""

    label: str
    value: str
    note: str = ""
    tone: Tone = "none"


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate was blessed, why, and what to do next."""

    tone: Tone
    label: str
    title: str
    reasons: list[str]
    error: list[tuple[str, str]]
    tiles: list[Tile]
    steps: list[str]


@dataclass(frozen=True)
class GateRow:
    """One gate, and what it is about: a slice, a subject or a variant."""

    gate: Gate
    where: str


@dataclass(frozen=True)
class Gates:
    """All gates: those that need attention apart from those that passed."""

    counts: dict[Outcome, int]
    attention: list[GateRow]
    passed: list[GateRow]


@dataclass(frozen=True)
class Bar:
    """One bar of a small histogram; `height` is a share of the tallest."""

    label: str
    height: float


@dataclass(frozen=True)
class Column:
    """The statistics of one feature in one split."""

    feature: str
    split: str
    kind: Literal["number", "text", "other"]
    rows: int
    missing: float | None
    mean: float | None = None
    deviation: float | None = None
    least: float | None = None
    median: float | None = None
    most: float | None = None
    distinct: int | None = None
    top: list[tuple[str, float]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True)
class Data:
    """The data's part."""

    rows: Part[dict[str, int]]
    checks: Part[list[AuditCheck]]
    findings: Part[list[DataFinding]]
    statistics: Part[list[Column]]
    leakage: Part[list[FeaturePower]]
    labels: Part[LabelErrors]
    shift: Part[list[Shift]]


@dataclass(frozen=True)
class Training:
    """One fit."""

    facts: list[tuple[str, str]]
    report: TrainingReport


@dataclass(frozen=True)
class Metric:
    """One metric of candidate and baseline."""

    name: str
    main: bool
    better: str
    figures: MetricEvidence


@dataclass(frozen=True)
class Rival:
    """A baseline model; a positive difference means that the candidate is better."""

    name: str
    metric: Interval
    difference: Gain
    verdict: str
    tone: Tone


@dataclass(frozen=True)
class Leader:
    """One model of the leaderboard.

    Attributes:
      name: What it is called there.
      note: Which model it is.
      metric: Its main metric on test.
      difference: How much better the candidate is; None for the candidate.
      p: Of "the candidate is no better"; None where it was not tested.
      cost: What it costs.
      verdict: How the candidate compares with it; empty for the candidate.
      tone: Of the verdict.
      own: Whether it is the candidate.
    """

    name: str
    note: str
    metric: Interval
    difference: Interval | None
    p: float | None
    cost: ModelCost
    verdict: str = ""
    tone: Tone = "none"
    own: bool = False


@dataclass(frozen=True)
class Model:
    """All that was measured of the candidate on test."""

    metric: str
    rows: int | None
    resamples: int | None
    confidence: float | None
    metrics: Part[list[Metric]]
    curves: Part[Curves]
    confusion: Part[Confusion]
    calibration: Part[Calibration]
    forecast: Part[ForecastEvidence]
    slices: Part[list[SliceEvidence]]
    baselines: Part[list[Rival]]
    leaderboard: Part[list[Leader]]
    fairness: Part[list[FairnessEvidence]]
    robustness: Part[list[StressEvidence]]
    importance: Part[list[Importance]]
    cross_validation: Part[FoldMetrics]


@dataclass(frozen=True)
class Step:
    """One component of the run."""

    name: str
    seconds: float
    share: float
    cached: bool
    memory: float | None


@dataclass(frozen=True)
class Record:
    """How the run can be found again and repeated."""

    steps: list[Step]
    lineage: list[tuple[str, str]]
    artifacts: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    config: str


@dataclass(frozen=True)
class Advised:
    """The advice, and the learning curve that it draws on."""

    advice: Advice
    curve: LearningCurve | None


@dataclass(frozen=True)
class Report:
    """The whole page."""

    summary: Summary
    task: str
    verdict: Verdict
    advice: Part[Advised]
    gates: Part[Gates]
    data: Data
    training: Part[Training]
    model: Model
    variants: Part[Variants]
    record: Record
    card: list[tuple[str, str]]
    contents: list[ContentView]
    errors: list[ErrorExample]
