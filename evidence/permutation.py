"""Whether predictions have anything to do with the labels: a permutation test.

Where a few rows hold most of the error, the influence of each row says little about chance,
and no p value from them is small (`significance`). Shuffled among the rows, the predictions of
a model that knows nothing are as good as before (Fisher, 1935, "The design of experiments").
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evidence.groups import whole
from evidence.measures import Outcome, sign_of, values

# Chance alone must not bless a model of shuffled labels.
LEVEL = 0.001
# Of more rows, one by one, no few hold most of the error.
MOST_ROWS = 20_000
_SHUFFLES = 1999


def chance_of_luck(metric: str, outcome: Outcome, seed: int) -> float:
    """The share of shuffles of the predictions that are at least as good as they are."""
    rng = np.random.default_rng(seed)
    groups, sign = whole(len(outcome.labels)), sign_of(outcome.task, metric)
    own = sign * values(metric, outcome, groups)[0]
    lucky = 0
    for _ in range(_SHUFFLES):
        scores = outcome.scores[rng.permutation(len(outcome.labels))]
        lucky += bool(sign * values(metric, replace(outcome, scores=scores), groups)[0] >= own)
    return (lucky + 1) / (_SHUFFLES + 1)
