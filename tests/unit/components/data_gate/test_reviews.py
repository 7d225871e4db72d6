"""Wrong labels of real texts: of the demo's reviews, a tenth is flipped, and estimated."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from components.data_gate.audit.label_errors import check_label_errors
from components.data_gate.audit.outcome import AuditData
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from examples.reviews.download import reviews_table
from models.features.spec import FeaturesSpec

PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "score", "classes": ["other", "great"]},
        "features": {"review": {"type": "text"}},
    }
)


def _estimated(flipped: float) -> dict[str, float]:
    table = reviews_table()
    scores = np.array(table["score"].to_pylist())
    wrong = np.random.default_rng(4).random(len(scores)) < flipped
    others = np.where(scores == "great", "other", "great")
    given = pa.table({"review": table["review"], "score": np.where(wrong, others, scores)})
    splits = {"train": given.slice(0, 4000), "test": given.slice(4000)}
    data = AuditData(splits, PROBLEM, AuditSpec(), SplitSpec())
    found: dict[str, float] = check_label_errors(data).details["label_errors"]
    return found


def test_a_tenth_of_flipped_labels_is_estimated_within_four_points() -> None:
    # The reviews have wrong labels of their own, most of which stay wrong.
    before, after = _estimated(0.0)["share"], _estimated(0.1)["share"]
    assert after - 0.8 * before == pytest.approx(0.1, abs=0.04)
