"""Small examples without a defect, for the tests of the audit to plant some in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from components.data_gate.audit.outcome import AuditData
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from contracts.results.checked import Checked, Part
from models.features.spec import FeaturesSpec

ROWS = {"train": 2000, "val": 400, "test": 400}
FEATURES = {
    "amount": {"type": "numeric"},
    "hour": {"type": "cyclic", "period": 24},
    "colour": {"type": "categorical"},
    "town": {"type": "vocabulary"},
}
LABELS = {
    "binary": {"name": "late"},
    "multiclass": {"name": "late", "classes": ["no", "some", "much"]},
    "regression": {"name": "late"},
}


def problem(task: str = "binary", **features: Any) -> FeaturesSpec:
    """The problem, with further features."""
    return FeaturesSpec.model_validate(
        {"task": task, "label": LABELS[task], "features": {**FEATURES, **features}}
    )


def clean(rows: int, seed: int, task: str = "binary") -> pa.Table:
    """Rows whose label hangs on the amount and on chance, a day for every ten of them."""
    rng = np.random.default_rng(seed)
    amount = rng.normal(size=rows)
    score = amount + rng.normal(size=rows)
    labels: pa.Array = pa.array(score.astype(np.float32))
    if task == "binary":
        labels = pa.array((score > 0.5).astype(np.int64))
    elif task == "multiclass":
        names = np.array(LABELS["multiclass"]["classes"])
        labels = pa.array(names[np.digitize(score, [0.0, 1.0])])
    return pa.table(
        {
            "amount": pa.array(amount.astype(np.float32)),
            "hour": pa.array(rng.integers(0, 24, rows)),
            "colour": pa.array(rng.choice(["red", "green", "blue"], rows)),
            "town": pa.array(np.char.add("t", rng.integers(0, 40, rows).astype(str))),
            "day": pa.array(seed * 10_000 + np.arange(rows) // 10),
            "late": labels,
        }
    )


def splits(task: str = "binary", **rows: int) -> dict[str, pa.Table]:
    """The three splits, each with days of its own, in order."""
    sizes = {**ROWS, **rows}
    return {name: clean(sizes[name], place, task) for place, name in enumerate(ROWS)}


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    """The table with a column replaced or added."""
    column = values if isinstance(values, pa.Array) else pa.array(values)
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)


def audit_data(
    tables: dict[str, pa.Table],
    spec: dict[str, Any] | None = None,
    split: SplitSpec | None = None,
    of: FeaturesSpec | None = None,
) -> AuditData:
    """What the checks get, with the defaults of the config."""
    return AuditData(
        tables, of or problem(), AuditSpec.model_validate(spec or {}), split or SplitSpec()
    )


def failed(part: Part) -> list[Checked]:
    """The checks that did not pass."""
    return [one for one in part.checks if one.outcome != "pass"]


def named(part: Part) -> list[tuple[str, str, str]]:
    """Check, feature and split of the checks that did not pass."""
    return [(one.check, one.feature, one.split) for one in failed(part)]
