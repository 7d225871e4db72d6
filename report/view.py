"""What the report shows, as plain values; a part that was not measured says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
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
class Interval:
    """A measured value with its interval; None where it could not be computed."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    q: float | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any] | None) -> Interval | None:
        """Reads one as the evidence has it; None for none."""
        if raw is None:
            return None
        return cls(*(raw.get(name) for name in ("value", "low", "high", "p", "q")))


@dataclass(frozen=True)
class Head:
    """What is told above everything else."""

    name: str
    run_id: str
    started: str
    seconds: float | None
    task: str


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
class Gate:
    """One gate: what it looked at, the bound, and how it came out."""

    gate: str
    metric: str
    where: str
    figure: Interval
    bound: float | None
    outcome: str
    reason: str


@dataclass(frozen=True)
class Gates:
    """All gates: those that need attention apart from those that passed."""

    counts: dict[str, int]
    attention: list[Gate]
    passed: list[Gate]


@dataclass(frozen=True)
class Check:
    """One check of the audit."""

    check: str
    feature: str
    split: str
    severity: str
    figure: float | None
    bound: float | None
    outcome: str
    what: str


@dataclass(frozen=True)
class Finding:
    """One thing about the data that somebody should know."""

    severity: str
    feature: str
    split: str
    what: str
    expected: str
    received: str
    example: str


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
class Suspect:
    """A row whose label looks wrong."""

    row: int
    split: str
    label: str
    probability: float | None
    values: list[tuple[str, str]]


@dataclass(frozen=True)
class LabelErrors:
    """The estimated share of wrong labels and the most suspect rows."""

    share: Interval
    suspects: list[Suspect]


@dataclass(frozen=True)
class Shift:
    """How far apart a feature lies in two splits or spans, and from where on that counts."""

    feature: str
    start: str
    end: str
    measure: str
    distance: float | None
    limit: float | None
    shifted: bool

    @property
    def of_limit(self) -> float | None:
        """The distance as a share of its limit."""
        if self.distance is None or not self.limit:
            return None
        return self.distance / self.limit


@dataclass(frozen=True)
class Data:
    """All that is told of the data."""

    rows: Part[dict[str, int]]
    checks: Part[list[Check]]
    findings: Part[list[Finding]]
    statistics: Part[list[Column]]
    leakage: Part[list[tuple[str, float]]]
    labels: Part[LabelErrors]
    shift: Part[list[Shift]]


@dataclass(frozen=True)
class Training:
    """One fit."""

    facts: list[tuple[str, str]]
    diagnosis: list[tuple[str, str, str]]
    history: list[Mapping[str, Any]]
    best_epoch: int | None


@dataclass(frozen=True)
class Metric:
    """One metric of candidate and baseline."""

    name: str
    main: bool
    better: str
    candidate: Interval
    baseline: Interval | None
    difference: Interval | None


@dataclass(frozen=True)
class Slice:
    """One group of test rows."""

    name: str
    source: str
    rows: int
    share: float | None
    insufficient: str
    metric: Interval
    gap: Interval
    change: Interval


@dataclass(frozen=True)
class Confusion:
    """Actual classes by row, predicted ones by column."""

    labels: list[str]
    matrix: list[list[float]]


@dataclass(frozen=True)
class Calibration:
    """The reliability curve and the expected calibration error."""

    bins: list[Mapping[str, Any]]
    error: Interval


@dataclass(frozen=True)
class Rival:
    """A baseline model; a positive difference means that the candidate is better."""

    name: str
    metric: Interval
    difference: Interval
    seconds: float | None
    verdict: str
    tone: Tone


@dataclass(frozen=True)
class Group:
    """One group of a sensitive column."""

    value: str
    rows: int
    insufficient: str
    rates: dict[str, Interval]


@dataclass(frozen=True)
class Gap:
    """The largest difference of a rate between two groups."""

    rate: str
    figure: Interval
    bound: float | None
    between: list[str]


@dataclass(frozen=True)
class Fairness:
    """The rates of all groups of one sensitive column."""

    column: str
    groups: list[Group]
    gaps: list[Gap]


@dataclass(frozen=True)
class Stress:
    """One stress and what it cost."""

    name: str
    kind: str
    columns: str
    metric: Interval
    drop: Interval
    bound: float | None
    severity: str


@dataclass(frozen=True)
class Folds:
    """Cross-validation: metrics by fold, their mean and spread."""

    metrics: list[str]
    folds: list[list[float | None]]
    mean: list[float | None]
    deviation: list[float | None]
    rows: int | None


@dataclass(frozen=True)
class Model:
    """All that was measured of the candidate on test."""

    metric: str
    higher_is_better: bool
    rows: int | None
    resamples: int | None
    confidence: float | None
    metrics: Part[list[Metric]]
    curves: Part[dict[str, dict[str, list[list[float]]]]]
    confusion: Part[Confusion]
    calibration: Part[Calibration]
    slices: Part[list[Slice]]
    baselines: Part[list[Rival]]
    fairness: Part[list[Fairness]]
    robustness: Part[list[Stress]]
    importance: Part[list[tuple[str, Interval]]]
    cross_validation: Part[Folds]


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
class Report:
    """The whole page."""

    head: Head
    verdict: Verdict
    gates: Part[Gates]
    data: Data
    training: Part[Training]
    model: Model
    variants: Part[Variants]
    record: Record
    card: list[tuple[str, str]]
    warnings: list[str]
