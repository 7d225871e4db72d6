"""The config of the Trainer: optimizer, schedule, stopping, input."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from contracts.spec import Spec
from models.data.fold_rule import FoldRule
from models.features.spec import FeaturesSpec
from models.networks.spec import NetworkSpec
from models.tasks import find_task
from models.training.operating_point import CostSpec


class OptimizerSpec(Spec):
    """How weights move.

    Attributes:
      kind: `muon` moves the matrices of hidden layers; the head, what comes before the layer
        `features`, and vectors move by AdamW.
      learning_rate: The peak, where the schedule has one. Lion needs a third to a tenth of
        AdamW's.
      weight_decay: Of adamw, lion and muon; offsets and scales are not decayed.
      momentum: Of sgd and muon.
      nesterov: Whether sgd looks ahead; muon always does.
      clip_norm: The largest norm of the gradient of all weights; null does not clip.
      accumulate: Batches whose gradients are averaged into one step.
    """

    kind: Literal["adam", "adamw", "sgd", "lion", "muon"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False
    clip_norm: float | None = Field(1.0, gt=0)
    accumulate: int = Field(1, ge=1)


class ScheduleSpec(Spec):
    """How the learning rate moves.

    Attributes:
      kind: `cosine` warms up and decays to `final_fraction` of the peak by the last epoch;
        `cosine_restarts` does so once a cycle; `one_cycle` rises to the peak for `rise` of all
        steps and falls for the rest; `plateau` multiplies the rate by `factor` after
        `patience` epochs without gain.
      warmup_epochs: Of cosine and cosine_restarts.
      final_fraction: Of the peak, where a decay ends.
      factor: Of plateau.
      patience: Of plateau.
      cycle_epochs: Of cosine_restarts: the first cycle's epochs.
      cycle_growth: Of cosine_restarts: each cycle is as many times as long as the one before.
      rise: Of one_cycle: the share of steps before the peak.
      start_fraction: Of one_cycle: of the peak, where the rise starts.
    """

    kind: Literal["constant", "cosine", "cosine_restarts", "one_cycle", "plateau"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)
    final_fraction: float = Field(0.01, ge=0, le=1)
    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(2, ge=1)
    cycle_epochs: float = Field(10.0, gt=0)
    cycle_growth: float = Field(2.0, ge=1)
    rise: float = Field(0.3, gt=0, lt=1)
    start_fraction: float = Field(0.04, gt=0, le=1)


class StoppingSpec(Spec):
    """Stops when the loss on val has not fallen for `patience` epochs."""

    patience: int = Field(4, ge=1)
    min_delta: float = Field(0.0, ge=0)


class AverageSpec(Spec):
    """An exponential moving average of the weights; kept where val's loss is lower with it.

    Attributes:
      decay: The share of the average that a step keeps. The first steps keep less, so that the
        network's random start is forgotten.
      epochs: Instead of `decay`: over how many epochs to average.
    """

    decay: float | None = Field(None, gt=0, lt=1)
    epochs: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_of_both(self) -> AverageSpec:
        if (self.decay is None) == (self.epochs is None):
            raise ValueError("give either decay, such as 0.999, or epochs, such as 2")
        return self


class LossSpec(Spec):
    """The loss of training, for classes. Val's loss stays the task's own.

    Attributes:
      kind: `focal` weighs a row by how wrong it is (Lin et al., 2017).
      gamma: Of focal: the larger, the less the easy rows count.
      label_smoothing: The share of a label that is spread over all classes.
    """

    kind: Literal["task", "focal"] = "task"
    gamma: float = Field(2.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)

    @property
    def is_own(self) -> bool:
        """Whether it differs from the task's loss."""
        return self.kind == "focal" or self.label_smoothing > 0


class MixupSpec(Spec):
    """Trains on mixtures of two rows, mixed at the layer `features` (Zhang et al., 2018).

    Attributes:
      alpha: Of the Beta distribution of the shares; the larger, the nearer to halves.
    """

    alpha: float = Field(0.2, gt=0)


class HardExamplesSpec(Spec):
    """Weighs a row by its own loss, compared with the mean of its batch.

    Attributes:
      power: Of the ratio; 0 weighs all rows alike.
      limit: A weight is at most this, and at least one part in as many.
    """

    power: float = Field(1.0, gt=0)
    limit: float = Field(4.0, gt=1)


class CurriculumSpec(Spec):
    """Starts with the rows of each batch that have the smallest loss.

    Attributes:
      epochs: After how many all rows count.
      start: The share of a batch that counts at first.
    """

    epochs: float = Field(5.0, gt=0)
    start: float = Field(0.5, gt=0, le=1)


class TeacherSpec(Spec):
    """Models whose predictions of train are mixed with the labels that the network learns.

    No row is predicted by a model that saw it, or a row that the split keeps together with it.

    Attributes:
      kind: What is fitted: scikit-learn's histogram-based gradient boosting; a linear model
        (logistic or ridge regression); or a `blend` of both, each as much as the rows left out
        like best, the trees of as many rounds as these like best.
      weight: The share of the prediction in what is learned; the rest is the label.
      folds: As many fits, each without one part of train, whose rows it predicts.
      rounds: Of boosting; at most so many in a blend.
      learning_rate: Of each round.
      leaves: The most that a tree may have.
      sample_rows: About as many of more rows of train are fitted; all rows are predicted.
    """

    kind: Literal["boosted_trees", "linear", "blend"] = "boosted_trees"
    weight: float = Field(0.7, gt=0, le=1)
    folds: int = Field(3, ge=2, le=20)
    rounds: int = Field(100, ge=1)
    learning_rate: float = Field(0.1, gt=0)
    leaves: int = Field(63, ge=2)
    sample_rows: int = Field(250_000, ge=1)


class TrainingSpec(Spec):
    """The fit loop, and what follows it.

    `calibration: temperature` divides the scores before the last activation by one number
    learned on val; for classes only. With `refit`, the network is fitted once more on train and
    val, for as many epochs as the best one of the first fit, which decides all else: operating
    point and temperature.
    """

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(1024, ge=1)
    optimizer: OptimizerSpec = OptimizerSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    early_stopping: StoppingSpec | None = StoppingSpec()
    ema: AverageSpec | None = None
    loss: LossSpec = LossSpec()
    teacher: TeacherSpec | None = None
    mixup: MixupSpec | None = None
    hard_examples: HardExamplesSpec | None = None
    curriculum: CurriculumSpec | None = None
    class_weights: Literal["none", "balanced"] | dict[str, float] = "none"
    calibration: Literal["none", "temperature", "conformal"] = "none"
    refit: bool = False
    mixed_precision: bool = False
    cache: Literal["auto", "memory", "none"] = "auto"

    @model_validator(mode="after")
    def _warm_up_fits(self) -> TrainingSpec:
        warmed = self.schedule.kind in ("cosine", "cosine_restarts")
        if warmed and self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"schedule.warmup_epochs is {self.schedule.warmup_epochs:g}, "
                f"which leaves nothing of {self.epochs} epochs"
            )
        return self


class TrainerSpec(Spec):
    """All that `models.training.train.run_fn` gets, as JSON.

    `fold_rule` is what a teacher's folds keep together.
    """

    name: str
    seed: int
    problem: FeaturesSpec
    network: NetworkSpec
    training: TrainingSpec
    costs: CostSpec
    fold_rule: FoldRule = FoldRule()

    @model_validator(mode="after")
    def _can_be_calibrated(self) -> TrainerSpec:
        task, calibration = find_task(self.problem.task), self.training.calibration
        if calibration == "temperature" and not task.has_classes:
            raise ValueError(f"a {task.form} task has no probabilities to calibrate")
        if not task.has_classes and self.training.loss.is_own:
            raise ValueError(
                "training.loss has label smoothing and focal weights for classes only; "
                f"remove it for a {task.form} task"
            )
        return self

    @model_validator(mode="after")
    def _can_be_taught(self) -> TrainerSpec:
        conflict = teacher_conflict(self.training, self.problem)
        if conflict is not None:
            raise ValueError(f"{conflict[0]}; {conflict[1]}")
        return self


def can_add_teacher(training: TrainingSpec, problem: FeaturesSpec) -> bool:
    """Whether a teacher could be added: none is there, and nothing conflicts with it."""
    added = training.model_copy(update={"teacher": TeacherSpec()})
    return training.teacher is None and teacher_conflict(added, problem) is None


def teacher_conflict(training: TrainingSpec, problem: FeaturesSpec) -> tuple[str, str] | None:
    """Says why a teacher cannot teach this problem, and what to do; None where it can."""
    if training.teacher is None:
        return None
    if not find_task(problem.task).mixes_targets:
        return (
            f"training.teacher cannot mix labels and predictions of the task {problem.task}",
            "remove training.teacher",
        )
    if training.loss.is_own:
        return (
            "training.teacher softens the labels already, and training.loss would do so again",
            "remove training.loss or training.teacher",
        )
    return None
