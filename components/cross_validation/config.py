"""What cross-validation runs by."""

from __future__ import annotations

from pydantic import Field

from components.example_gen.config import SplitSpec
from contracts.spec import Spec
from models.training.config import TrainerSpec


class CrossValidationSpec(Spec):
    """All that the component gets, as JSON.

    Attributes:
      trainer: What the Trainer gets.
      split: How rows were split: folds keep together what the split kept together.
      folds: How many folds.
      sample_rows: Of train and of val: about as many of more rows are used.
    """

    trainer: TrainerSpec
    split: SplitSpec = SplitSpec()
    folds: int = Field(5, ge=2, le=20)
    sample_rows: int = Field(250_000, ge=1)
