"""`verdict.json`: what a variant costs, what it is worth, and whether it is blessed."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from contracts.results.evidence import Interval, SliceEvidence
from contracts.results.files import Result, ResultFile
from contracts.results.gates import Gate

Status = Literal["blessed", "refused", "failed", "unsupported"]


class Timing(Result):
    """What running an artifact costs, with one thread.

    Attributes:
      p50_ms: The median time of one row.
      p95_ms: The time that 95 % of single rows stay under.
      rows_per_s: Throughput in batches of 64, from raw rows; the median of the repeats.
      prepare_ms: The median time in which numpy prepares one row; 0 for a SavedModel, which
        prepares rows itself.
      load_s: How long loading took, without the import of TensorFlow.
      peak_memory_mib: Of the whole process, runtime and Python included.
    """

    p50_ms: float
    p95_ms: float
    rows_per_s: float
    prepare_ms: float
    load_s: float
    peak_memory_mib: float


class Cost(Result):
    """What an artifact costs; `lean` is what float32 weighs when written as variants are."""

    bytes: int
    gzip_bytes: int
    parameters: int
    timing: Timing
    lean: dict[str, int] = {}


class Parity(Result):
    """How far a model's golden answers are from those of its network in Keras.

    Attributes:
      rows: How many rows were compared.
      max_difference: The largest difference of all: absolute up to 1, relative above.
      differences: The largest by `loader/signature/output`.
      wrong_classes: Rows with another class, other than on the boundary between two.
    """

    rows: int
    max_difference: float
    differences: dict[str, float] = {}
    wrong_classes: int = 0


class PushParity(ResultFile, Parity):
    """`parity.json`: of the candidate that was pushed."""

    FILE: ClassVar[str] = "parity.json"

    version: Literal[1] = 1


class VariantParity(Parity):
    """Of a variant, whose differences must not exceed its tolerance."""

    tolerance: float


class VariantVerdict(ResultFile):
    """One variant; figures are None where it could not be made or run.

    Attributes:
      weights: The technique and its settings, as the config has them.
      kind: What it is: `savedmodel`, or a file of the runtime `tflite` or `onnx`.
      model_bytes: Without `artifact.json`.
      distinct: By layer, how many distinct values clustered weights have.
      ratios: Multiples of float32's figures.
      metric: The main metric.
      difference: By metric, variant minus float32.
      slices: Those that may lose most first.
      seconds: How long converting and evaluating took.
    """

    FILE: ClassVar[str] = "verdict.json"

    version: Literal[1] = 1
    name: str
    weights: dict[str, Any]
    format: str
    kind: str
    status: Status
    reasons: list[str] = []
    gates: list[Gate] = []
    metric: str
    higher_is_better: bool
    metrics: dict[str, Interval] = {}
    difference: dict[str, Interval] = {}
    slices: list[SliceEvidence] = []
    ratios: dict[str, float] = {}
    bytes: int | None = None
    model_bytes: int | None = None
    gzip_bytes: int | None = None
    parameters: int | None = None
    sparsity: float | None = None
    distinct: dict[str, int] | None = None
    timing: Timing | None = None
    reference: Cost | None = None
    parity: VariantParity | None = None
    seconds: dict[str, float] = {}

    @property
    def main_metric(self) -> float | None:
        """The main metric's value."""
        return self.metrics.get(self.metric, Interval()).value

    @property
    def main_difference(self) -> Interval:
        """The main metric's difference from float32's."""
        return self.difference.get(self.metric, Interval())

    @property
    def latency_ms(self) -> float | None:
        """The median time of one row, its preparation included."""
        return None if self.timing is None else self.timing.p50_ms + self.timing.prepare_ms

    @property
    def is_reference(self) -> bool:
        """Whether it is float32 itself, which the others are compared with."""
        return self.weights["weights"] == "none" and self.format == "savedmodel_float32"


class PlacedVariant(VariantVerdict):
    """A verdict with the place that the variant was pushed to; None where it was not."""

    pushed_to: str | None = None
