"""What the baseline models are fitted by."""

from __future__ import annotations

from pydantic import Field

from contracts.spec import Spec
from models.features.spec import FeaturesSpec
from models.training.operating_point import CostSpec


class BaselineFitSpec(Spec):
    """All that the component gets, as JSON.

    Attributes:
      problem: The features and the label.
      seed: Of the rows that are drawn where train has more than `max_rows`.
      costs: What errors cost: thresholds on val are chosen by them, as the network's is.
      max_rows: Of train: about as many of more rows are learned from.
      sample_rows: Of val and of test: about as many of more rows are predicted.
      metric: The main metric; None for the task's own.
      confidence: Of the learning curve's intervals.
      learning_curve: Whether to fit one of them again on shares of train.
      refit: Whether to fit each once more on train and val, with what val chose, as the network
        is (`training.refit`): both have then learned from the same rows.
    """

    problem: FeaturesSpec
    seed: int = 0
    costs: CostSpec = CostSpec()
    max_rows: int = Field(250_000, ge=1)
    sample_rows: int = Field(250_000, ge=1)
    metric: str | None = None
    confidence: float = Field(0.95, gt=0.5, lt=1)
    learning_curve: bool = True
    refit: bool = False
