"""`kelp advise` on planted tables: the advice is the one that the truth calls for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import DataError
from models.features.spec import FeaturesSpec
from pipelines.recognition.outlook import outlook_of

NAMES = ("a", "b", "c", "d")
PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "label"},
        "features": {name: {"type": "numeric"} for name in NAMES},
    }
)


def _table(truth: str, rows: int) -> pa.Table:
    random = np.random.default_rng(4)
    values = {name: random.normal(size=rows) for name in NAMES}
    line = 2 * values["a"] - values["b"] + 0.5 * values["c"]
    labels = {
        "line": line + random.logistic(size=rows) > 0,
        "noise": (line > 0) ^ (random.random(rows) < 0.3),
        "board": ((values["a"] > 0.2) ^ (values["b"] > -0.3)) ^ (random.random(rows) < 0.05),
    }[truth]
    return pa.table({**values, "label": labels.astype(np.int64)})


@pytest.mark.parametrize(
    ("truth", "rows", "verdict", "words"),
    [
        ("line", 4000, "linear", "A linear network is enough"),
        ("noise", 4000, "better_labels", "Correct the labels first"),
        ("line", 200, "more_data", "too few rows to tell"),
        ("board", 2500, "trees", "embedding: piecewise"),
    ],
)
def test_the_advice_fits_the_planted_truth(truth, rows, verdict, words) -> None:
    outlook = outlook_of(_table(truth, rows), PROBLEM)
    assert outlook.advice.verdict == verdict, outlook.advice.paragraph
    assert words in outlook.advice.paragraph
    assert outlook.figures.curve is not None
    assert "twice the rows of train" in outlook.advice.paragraph


def test_thirty_percent_of_wrong_labels_are_within_the_estimate() -> None:
    wrong = outlook_of(_table("noise", 4000), PROBLEM).figures.wrong_labels
    assert wrong is not None
    assert wrong.low <= 0.3 <= wrong.high


def test_a_handful_of_rows_is_refused() -> None:
    with pytest.raises(DataError, match="too few rows"):
        outlook_of(_table("line", 30), PROBLEM)
