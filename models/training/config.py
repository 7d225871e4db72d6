"""The config of the Trainer: optimizer, schedule, stopping, input."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from contracts.spec import Spec
from models.features.spec import FeaturesSpec
from models.networks.spec import NetworkSpec
from models.tasks import find_task
from models.training.operating_point import CostSpec


class OptimizerSpec(Spec):
    """How weights move."""

    kind: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    clip_norm: float | None = Field(1.0, gt=0)


class ScheduleSpec(Spec):
    """How the learning rate moves.

    `cosine` warms up for `warmup_epochs` and decays to `final_fraction` of the peak;
    `plateau` multiplies the rate by `factor` after `patience` epochs without gain.
    """

    kind: Literal["constant", "cosine", "plateau"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)
    final_fraction: float = Field(0.01, ge=0, le=1)
    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(2, ge=1)


class StoppingSpec(Spec):
    """Stops when the loss on val has not fallen for `patience` epochs."""

    patience: int = Field(4, ge=1)
    min_delta: float = Field(0.0, ge=0)


class TrainingSpec(Spec):
    """The fit loop, and what follows it.

    `calibration: temperature` divides the scores before the last activation by one number
    learned on val; for classes only.
    """

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(1024, ge=1)
    optimizer: OptimizerSpec = OptimizerSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    early_stopping: StoppingSpec | None = StoppingSpec()
    class_weights: Literal["none", "balanced"] | dict[str, float] = "none"
    calibration: Literal["none", "temperature"] = "none"
    mixed_precision: bool = False
    cache: Literal["auto", "memory", "none"] = "auto"

    @model_validator(mode="after")
    def _warm_up_fits(self) -> TrainingSpec:
        if self.schedule.kind == "cosine" and self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"schedule.warmup_epochs is {self.schedule.warmup_epochs:g}, "
                f"which leaves nothing of {self.epochs} epochs"
            )
        return self


class TrainerSpec(Spec):
    """All that `models.training.train.run_fn` gets, as JSON."""

    name: str
    seed: int
    problem: FeaturesSpec
    network: NetworkSpec
    training: TrainingSpec
    costs: CostSpec

    @model_validator(mode="after")
    def _can_be_calibrated(self) -> TrainerSpec:
        if not find_task(self.problem.task).has_classes and self.training.calibration != "none":
            raise ValueError("a regression task has no probabilities to calibrate")
        return self
