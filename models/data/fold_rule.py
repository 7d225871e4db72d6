"""What the folds of train keep together."""

from __future__ import annotations

from typing import Literal

from contracts.spec import Spec


class FoldRule(Spec):
    """What stays together: what the split kept together.

    Attributes:
      by: As in the split: rows alone, all rows of one key, or stretches of time.
      columns: The raw columns of the key, or the one of time.
    """

    by: Literal["row", "key", "stratified", "time"] = "row"
    columns: tuple[str, ...] = ()
