"""The config of evaluation: slices, bounds, costs, and the tests a candidate must stand."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field, model_validator

from contracts.results.evidence import Severity
from contracts.spec import Spec
from models.stresses.images import ImageStress
from models.stresses.kind import Stress
from models.stresses.texts import TextStress
from models.stresses.windows import WindowStress
from models.training.operating_point import CostSpec


class BoundSpec(Spec):
    """Absolute bounds of one metric on the overall slice of test."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> BoundSpec:
        if self.min is None and self.max is None:
            raise ValueError("a bound needs min, max or both")
        return self


class ChangeSpec(Spec):
    """How much worse than the baseline one metric may be, in the metric's own unit."""

    max_loss: float = Field(ge=0)


class SliceGateSpec(Spec):
    """How much worse a slice may be, in the main metric's unit.

    A slice fails only where its loss is beyond chance too: one-sided, after the
    correction for many slices, at the level that `evaluation.confidence` leaves.

    Attributes:
      max_loss: Against the baseline on the same rows; every slice, the found ones too.
      max_gap: Against the whole of test; the slices of the config. None: no bound.
      severity: What a failure does.
    """

    max_loss: float = Field(0.03, ge=0)
    max_gap: float | None = Field(None, ge=0)
    severity: Severity = "block"


class FoundSlicesSpec(Spec):
    """The search for weak slices that the config does not list.

    Attributes:
      enabled: Whether to search.
      pairs: Whether to look at pairs of columns too.
      keep: How many of the worst to keep.
      max_values: Of a text column with more values, only the commonest are searched.
    """

    enabled: bool = True
    pairs: bool = True
    keep: int = Field(20, ge=1, le=200)
    max_values: int = Field(60, ge=2)


class BaselineGatesSpec(Spec):
    """What the candidate is compared with that costs nothing.

    Attributes:
      enabled: Whether to fit and compare at all.
      majority: What it does not to beat a constant guess beyond chance.
      linear: What it does to be worse than a linear model beyond chance.
      trees: What it does to be worse than boosted trees beyond chance.
      naive: What it does to be worse than the last value or that of the season before, beyond
        chance; forecasts only.
      equal_within: Differences of the main metric up to this count as none: a tie warns
        where the interval is within it. For mae, rmse and log_loss it is a share of the
        baseline's.
      learning_curve: Whether to fit the better of linear model and trees again on 12, 25
        and 50 % of train, to see what more rows would be worth.
      sample_rows: Of how many rows of train they learn; of more, a sample is drawn.
    """

    enabled: bool = True
    majority: Severity = "block"
    linear: Severity = "block"
    trees: Severity = "warn"
    naive: Severity = "block"
    equal_within: float = Field(0.02, gt=0, lt=1)
    learning_curve: bool = True
    sample_rows: int = Field(250_000, ge=1000)


class FairnessSpec(Spec):
    """Gaps between the groups of sensitive columns; a bound of None only reports.

    Attributes:
      sensitive: The columns: features, slice columns or columns of `data.keep`.
      selection_rate: Largest gap in the share of rows called positive.
      true_positive_rate: Largest gap in recall.
      false_positive_rate: Largest gap in the share of negatives called positive.
      severity: What a gap above its bound does.
    """

    sensitive: tuple[str, ...] = ()
    selection_rate: float | None = Field(None, ge=0, le=1)
    true_positive_rate: float | None = Field(None, ge=0, le=1)
    false_positive_rate: float | None = Field(None, ge=0, le=1)
    severity: Severity = "block"


class NoiseSpec(Stress):
    """Gaussian noise on numeric features, in standard deviations of the column."""

    kind: Literal["noise"] = "noise"
    columns: tuple[str, ...] = ()
    scale: float = Field(0.1, gt=0)


class MissingSpec(Stress):
    """Values go missing in a share of the rows, column by column."""

    kind: Literal["missing"] = "missing"
    columns: tuple[str, ...] = ()
    share: float = Field(0.1, gt=0, le=1)


class UnseenSpec(Stress):
    """A share of the rows gets a category that train never showed."""

    kind: Literal["unseen"] = "unseen"
    columns: tuple[str, ...] = ()
    share: float = Field(0.1, gt=0, le=1)


class UnitsSpec(Stress):
    """A share of the rows comes in another unit: `value * factor + offset`."""

    kind: Literal["units"] = "units"
    columns: tuple[str, ...] = Field(min_length=1)
    factor: float = 1.0
    offset: float = 0.0
    share: float = Field(0.1, gt=0, le=1)


class AdversarialSpec(Stress):
    """The fast gradient sign method on numeric features (Goodfellow et al., 2015).

    `epsilon` is in units of the transformed feature: standard deviations for z_score.
    """

    kind: Literal["adversarial"] = "adversarial"
    columns: tuple[str, ...] = ()
    epsilon: float = Field(0.05, gt=0)


StressSpec = Annotated[
    Union[
        NoiseSpec,
        MissingSpec,
        UnseenSpec,
        UnitsSpec,
        AdversarialSpec,
        ImageStress,
        TextStress,
        WindowStress,
    ],
    Field(discriminator="kind"),
]
"""Without `columns`, a stress falls on every feature that it applies to."""


class CalibrationBoundSpec(Spec):
    """The largest expected calibration error; None only reports."""

    bins: int = Field(15, ge=2, le=100)
    max_error: float | None = Field(None, ge=0, le=1)
    severity: Severity = "block"


class ImportanceSpec(Spec):
    """Permutation importance of every feature.

    `rows` bounds the test rows that are taken; the interval accounts for them.
    """

    enabled: bool = True
    repeats: int = Field(10, ge=2, le=100)
    rows: int = Field(20000, ge=100)


class BlockSpec(Spec):
    """Blocks of time that the bootstrap draws whole.

    Attributes:
      column: A column of numbers that rises with time; it is kept in the examples.
      length: How long a block is, in the column's unit. Windows overlap: at least as long as a
        window with its horizon.
    """

    column: str
    length: float = Field(gt=0)


class EvaluationSpec(Spec):
    """How the candidate is judged on test.

    `slices` lists groups of columns: `[carrier]` makes a slice a carrier,
    `[origin, carrier]` a slice a pair. `bounds` and `change` are keyed by metric.
    `metric` is the main one, by default roc_auc, accuracy or r2: slices, baseline
    models, stresses and importance are judged by it.

    `resample` says what the bootstrap draws: `rows`, each for itself, or `keys`, all rows
    of one key of the split together, such as the flights of a day, or `blocks` of time, which
    `block` describes. Intervals by keys or blocks are those of another set of days; they are
    wider, and few slices have days enough to fail.

    `sample_rows` bounds memory: where test has more rows, everything but TFMA's own metrics
    is measured on a sample of about as many, and so is cross-validation of train and val.
    """

    slices: tuple[tuple[str, ...], ...] = ()
    min_slice_rows: int = Field(100, ge=1)
    costs: CostSpec = CostSpec()
    metric: str | None = None
    bounds: dict[str, BoundSpec] = {}
    change: dict[str, ChangeSpec] = {}
    resamples: int = Field(1000, ge=100, le=100_000)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    resample: Literal["rows", "keys", "blocks"] = "rows"
    block: BlockSpec | None = None
    slice_gate: SliceGateSpec = SliceGateSpec()
    found_slices: FoundSlicesSpec = FoundSlicesSpec()
    baselines: BaselineGatesSpec = BaselineGatesSpec()
    fairness: FairnessSpec = FairnessSpec()
    stress: dict[str, StressSpec] = {}
    calibration: CalibrationBoundSpec = CalibrationBoundSpec()
    importance: ImportanceSpec = ImportanceSpec()
    cross_validation: int | None = Field(None, ge=2, le=20)
    sample_rows: int = Field(250_000, ge=1000)

    @property
    def block_length(self) -> float | None:
        """How long the blocks of time are that are drawn; None where none are."""
        return self.block.length if self.block is not None and self.resample == "blocks" else None
