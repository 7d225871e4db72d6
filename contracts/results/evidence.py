"""`evidence.json`, `stress.json` and `folds.json`: what was measured of the candidate."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from contracts.results.files import Result, ResultFile
from contracts.results.forecast import ForecastEvidence
from contracts.results.preview import Preview
from contracts.results.sample import SampledRows

Cell = bool | int | float | str | None
"""A value of a column, the text of a range, or None."""
Curves = dict[str, dict[str, list[list[float]]]]
"""By kind of curve and model or class, points x, y."""
Severity = Literal["block", "warn", "off"]
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


class Interval(Result):
    """A measured value with its interval; None where it cannot be computed."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def ends(self) -> dict[str, Any]:
        """Gives value, low and high alone, by name."""
        return {"value": self.value, "low": self.low, "high": self.high}

    @property
    def negated(self) -> Interval:
        """The same with the opposite sign: a gain as a loss."""
        value, low, high = (
            None if end is None else -end for end in (self.value, self.high, self.low)
        )
        return Interval(value=value, low=low, high=high)


class Gain(Interval):
    """How much better the candidate is (positive is better), and the p value of none."""

    p: float | None = None


class Loss(Interval):
    """How much worse a slice is (positive is worse): p and q values of its bound."""

    p: float | None = None
    q: float | None = None


class MetricEvidence(Result):
    """One metric on all rows; the difference is candidate minus baseline."""

    candidate: Interval
    baseline: Interval | None = None
    difference: Interval | None = None


class SliceEvidence(Result):
    """One slice.

    Attributes:
      slice: Its key: by column, the value.
      source: Whether the config lists it or the search found it.
      rows: How many rows it has.
      share: Of all rows.
      insufficient: Why it cannot be judged; None where it can.
      metrics: By name.
      gap: How much worse it is than all rows.
      change: How much worse it is than under the reference; None without one.
    """

    slice: dict[str, Cell]
    source: Literal["config", "found"]
    rows: int
    share: float | None = None
    insufficient: str | None = None
    metrics: dict[str, Interval] = {}
    gap: Loss | None = None
    change: Loss | None = None


class Confusion(Result):
    """Counts: labels by row, decisions by column."""

    labels: list[Cell]
    matrix: list[list[int]]


class Decisions(Result):
    """How many rows the candidate calls positive at its threshold."""

    threshold: float
    positive: str
    rows: int
    called: int
    positives: int


class CalibrationBin(Result):
    """One bin of the reliability curve; its interval is Wilson's."""

    low: float
    high: float
    rows: int
    predicted: float
    observed: float
    observed_low: float
    observed_high: float


class Calibration(Result):
    """The reliability curve, and the expected calibration error."""

    bins: list[CalibrationBin]
    error: Interval


class BaselineEvidence(Result):
    """A baseline model's main metric, and how much better the candidate is.

    `insufficient` says why the two cannot be compared, where they cannot.
    """

    name: str
    metric: Interval
    difference: Gain
    insufficient: str | None = None


class GroupRates(Result):
    """The rates of one group of a sensitive column."""

    value: Cell
    rows: int
    insufficient: str | None = None
    selection_rate: Interval = Interval()
    true_positive_rate: Interval = Interval()
    false_positive_rate: Interval = Interval()


class RateGap(Interval):
    """The largest difference of a rate, the groups that it is between, and its bound."""

    between: tuple[Cell, Cell] | None = None
    bound: float | None = None


class FairnessEvidence(Result):
    """The groups of one sensitive column."""

    column: str
    groups: list[GroupRates]
    gaps: dict[str, RateGap]


class NotMeasured(Result):
    """What was not measured for some features, and why; `features` is empty where it is all."""

    what: str
    features: list[str]
    reason: str


class StressEvidence(Result):
    """What the main metric loses under one stress."""

    name: str
    kind: str
    columns: list[str]
    metric: Interval
    drop: Interval
    bound: float | None
    severity: Severity


class Importance(Result):
    """What the main metric loses when one feature is permuted."""

    feature: str
    drop: Interval


class ErrorExample(Result):
    """A row that the candidate gets wrong.

    Attributes:
      row: Its place among the rows of test that were looked at, from 0.
      actual: Its label.
      predicted: What the candidate says.
      probability: How sure it is of that; None for regression.
      explained: The class that the weights speak for; None where it is the predicted one.
      files: Those that the row came from, where the examples know them.
      views: By feature whose values are no scalars, what a person sees of it.
    """

    row: int
    actual: Cell
    predicted: Cell
    probability: float | None = None
    explained: Cell = None
    files: list[str] = []
    views: dict[str, Preview]


class StressResult(ResultFile):
    """`stress.json`."""

    FILE: ClassVar[str] = "stress.json"

    version: Literal[1] = 1
    metric: str
    rows: int
    robustness: list[StressEvidence]
    importance: list[Importance]
    errors: list[ErrorExample] = []
    not_measured: list[NotMeasured] = []
    sampled: list[SampledRows] = []


class FoldMetrics(ResultFile):
    """`folds.json`: the metrics of each fold of cross-validation, their mean and spread."""

    FILE: ClassVar[str] = "folds.json"

    version: Literal[1] = 1
    folds: list[dict[str, float | None]]
    mean: dict[str, float | None]
    deviation: dict[str, float | None]
    rows: int
    k: int
    by: str
    fits: list[dict[str, Any]]
    caveat: str
    seed: int
    sampled: list[SampledRows] = []


class Evidence(ResultFile):
    """`evidence.json`; `cluster_columns` mark rows that resamples draw together."""

    FILE: ClassVar[str] = "evidence.json"

    version: Literal[1] = 1
    task: str
    metric: str
    higher_is_better: bool
    rows: int
    resamples: int
    confidence: float
    seed: int
    cluster_columns: list[str] = Field(default=[], alias="together")
    metrics: dict[str, MetricEvidence]
    slices: list[SliceEvidence]
    curves: Curves
    confusion: Confusion | None
    decisions: Decisions | None
    calibration: Calibration | None
    baselines: list[BaselineEvidence]
    fairness: list[FairnessEvidence]
    robustness: list[StressEvidence] = []
    importance: list[Importance] = []
    cross_validation: FoldMetrics | None = None
    forecast: ForecastEvidence | None = None
    sampled: list[SampledRows] = []

    def interval_of(self, metric: str) -> Interval:
        """The candidate's interval; an empty one for a metric that was not measured."""
        entry = self.metrics.get(metric)
        return Interval() if entry is None else entry.candidate
