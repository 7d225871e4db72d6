"""The config of the data audit: how severe each check is, and its bounds."""

from __future__ import annotations

from pydantic import Field

from components.example_gen.config import DataSpec
from contracts.results.evidence import Severity
from contracts.spec import Spec
from models.content.config import CheckSpec, ImagesAuditSpec, ShareSpec, TextsAuditSpec


class BalanceSpec(CheckSpec):
    """The rarest class of train, as a share of its rows.

    Attributes:
      min_share: Of two classes; of more classes, in proportion less.
    """

    min_share: float = Field(0.05, ge=0, le=0.5)


class AcrossSpec(ShareSpec):
    """Rows of val or test that are also in train, label included.

    Attributes:
      max_share: Of the rows of the later split.
    """

    max_share: float = Field(0.001, ge=0, le=1)


class NearSpec(ShareSpec):
    """Rows of val or test that are nearly a row of train: copies, slightly altered.

    In a dense table, where all rows have near neighbours, only copies that were made after the
    split are found; in a table that was copied before, they are as frequent within a split.

    Attributes:
      max_share: Of the rows of the later split, beyond those that chance makes.
    """

    max_share: float = Field(0.001, ge=0, le=1)


class DuplicatesSpec(ShareSpec):
    """Rows with the same features and label as an earlier row of their split.

    Attributes:
      max_share: Of a split's rows.
      across: Those that another split has too.
      near: Those that another split has in nearly the same form.
    """

    max_share: float = Field(0.01, ge=0, le=1)
    across: AcrossSpec = AcrossSpec()
    near: NearSpec = NearSpec()


class ContradictionsSpec(ShareSpec):
    """Rows whose features are another row's too, and whose label is not.

    Attributes:
      max_share: Of all rows.
    """

    max_share: float = Field(0.05, ge=0, le=1)


class MissingSpec(ShareSpec):
    """The share of rows without a value, in the split that has most of them.

    Attributes:
      max_share: Of a feature whose missing values are filled in unseen.
      max_marked_share: Of a feature that tells the model so: by a missing indicator, or
        as a category of its own.
    """

    max_share: float = Field(0.5, ge=0, le=1)
    max_marked_share: float = Field(0.9, ge=0, le=1)


class ConstantSpec(ShareSpec):
    """The share of train's rows that hold a feature's commonest value, or none.

    Attributes:
      max_share: Above it a feature is nearly constant; at 1 it is constant.
    """

    max_share: float = Field(0.995, ge=0, le=1)


class OutliersSpec(ShareSpec):
    """Numbers of train that lie far from the others of their feature.

    Attributes:
      max_share: Of the feature's values.
      distance: How far from the first and the last decile is far, in distances between them.
    """

    max_share: float = Field(0.005, ge=0, le=1)
    distance: float = Field(10.0, gt=0)


class CardinalitySpec(CheckSpec):
    """The distinct values of a categorical feature in train: each is an input of its own.

    Attributes:
      max_values: Above it, type vocabulary fits better.
    """

    max_values: int = Field(100, ge=1)


class IdLikeSpec(ShareSpec):
    """Features that number or name the rows: distinct values as a share of train's.

    Attributes:
      max_share: Above it, a category is an id; so is a whole number whose values fill
        their range.
    """

    max_share: float = Field(0.95, gt=0, le=1)


class SizesSpec(CheckSpec):
    """The rows that a split usually needs.

    Attributes:
      train: Rows to learn from.
      held_out: Rows of val and of test.
      per_class: Rows of each class, in each split.
    """

    train: int = Field(500, ge=0)
    held_out: int = Field(100, ge=0)
    per_class: int = Field(10, ge=0)


class GapSpec(CheckSpec):
    """How far the best feature alone is ahead of the next, where it says much of the label.

    Attributes:
      min_power: Below it, a feature is not looked at.
      max_gap: The most by which it may be ahead.
    """

    min_power: float = Field(0.9, ge=0.5, le=1)
    max_gap: float = Field(0.15, ge=0, le=1)


class LeakageSpec(Spec):
    """How well each feature alone predicts the label.

    Attributes:
      severity: What a failure does.
      max_power: For classes the area under the ROC curve (of more than two, that of the
        class predicted worst); for regression the share of the label's variance.
      rows: How many rows of train are looked at, drawn at random.
      gap: The best feature against the next.
    """

    severity: Severity = "block"
    max_power: float = Field(0.98, ge=0.5, le=1)
    rows: int = Field(100_000, ge=100)
    gap: GapSpec = GapSpec()


class OverlapSpec(Spec):
    """Groups that lie in two splits, and times of train that lie after those of test.

    Attributes:
      severity: What a failure does.
    """

    severity: Severity = "block"


class LabelErrorsSpec(ShareSpec):
    """Labels that the rest of the data speak against.

    Attributes:
      max_share: The largest share of wrong labels, by the lower end of its 95 % interval.
      rows: How many rows are looked at, drawn at random.
      suspects: How many of the most suspect rows are kept.
      folds: Into how many parts the rows are cut; each is judged by a model of the others.
    """

    max_share: float = Field(0.02, ge=0, le=1)
    rows: int = Field(100_000, ge=100)
    suspects: int = Field(50, ge=0)
    folds: int = Field(5, ge=2, le=20)


class SpanShiftSpec(CheckSpec):
    """Shift of each span against the one before it.

    The bounds lie above what changes in a year of flights from month to month by itself.
    Where there are enough spans, a feature must also change more than it usually does.

    Attributes:
      max_categorical: The largest L-infinity distance, of categories.
      max_numeric: The largest Jensen-Shannon divergence, of numbers.
    """

    max_categorical: float = Field(0.07, ge=0, le=1)
    max_numeric: float = Field(0.17, ge=0, le=1)


class ShiftSpec(CheckSpec):
    """Shift of val and test against train.

    Attributes:
      max_categorical: The largest L-infinity distance, of categories.
      max_numeric: The largest Jensen-Shannon divergence, of numbers.
      spans: The same between each span and the one before it.
    """

    max_categorical: float = Field(0.1, ge=0, le=1)
    max_numeric: float = Field(0.1, ge=0, le=1)
    spans: SpanShiftSpec = SpanShiftSpec()


class FutureSpec(Spec):
    """Known columns whose future tells what is predicted: they cannot be known.

    Attributes:
      severity: What a failure does.
      max_power: Of one column: the share of the label's variance.
    """

    severity: Severity = "block"
    max_power: float = Field(0.95, ge=0.5, le=1)


class SeriesAuditSpec(Spec):
    """Of `data.series`: odd steps, failing sensors, futures that cannot be known.

    Attributes:
      unordered: Rows after a later one of their series.
      duplicates: Rows at the time of another one of their series.
      between: Rows at no step.
      missing: Steps without a row.
      stuck: Runs of equal values as long as a context.
      spikes: Single values far from both neighbours.
      unknown: Steps of windows without a value.
      future: Known columns that tell of the label's future.
    """

    unordered: ShareSpec = ShareSpec(max_share=0.0)
    duplicates: ShareSpec = ShareSpec(max_share=0.0)
    between: ShareSpec = ShareSpec(max_share=0.0)
    missing: ShareSpec = ShareSpec(max_share=0.0)
    stuck: ShareSpec = ShareSpec(max_share=0.0)
    spikes: ShareSpec = ShareSpec(max_share=0.0)
    unknown: ShareSpec = ShareSpec(max_share=0.1)
    future: FutureSpec = FutureSpec()


class AuditSpec(Spec):
    """What the DataGate looks for in the examples.

    `sample_rows` bounds memory: of more rows, in all splits together, rows, classes, missing and
    distinct values, copies, contradictions and overlap are still counted over every row, and the
    other checks look at a sample of about as many.
    """

    sample_rows: int = Field(1_000_000, ge=1000)

    balance: BalanceSpec = BalanceSpec()
    duplicates: DuplicatesSpec = DuplicatesSpec()
    contradictions: ContradictionsSpec = ContradictionsSpec()
    missing: MissingSpec = MissingSpec()
    constant: ConstantSpec = ConstantSpec()
    outliers: OutliersSpec = OutliersSpec()
    cardinality: CardinalitySpec = CardinalitySpec()
    id_like: IdLikeSpec = IdLikeSpec()
    sizes: SizesSpec = SizesSpec()
    leakage: LeakageSpec = LeakageSpec()
    overlap: OverlapSpec = OverlapSpec()
    label_errors: LabelErrorsSpec = LabelErrorsSpec()
    shift: ShiftSpec = ShiftSpec()
    series: SeriesAuditSpec = SeriesAuditSpec()
    images: ImagesAuditSpec = ImagesAuditSpec()
    texts: TextsAuditSpec = TextsAuditSpec()


class AuditedDataSpec(DataSpec):
    """The raw data, and what they are audited for before anything learns from them.

    The audit is no part of `DataSpec`: ExampleGen does not depend on it.
    """

    audit: AuditSpec = AuditSpec()
