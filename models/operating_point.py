"""The probability above which a row is called positive, chosen from costs."""

from __future__ import annotations

from pydantic import Field

from models.spec import Spec


class CostSpec(Spec):
    """What one error of each kind costs, in any one unit."""

    false_positive: float = Field(1.0, gt=0)
    false_negative: float = Field(1.0, gt=0)
