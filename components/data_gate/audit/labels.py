"""Is there enough of every class, and enough of every split?"""

from __future__ import annotations

import numpy as np

from components.data_gate.audit.columns import Ints
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.whole import TRAIN, Spread
from contracts.results.checked import Checked, Part, judged
from contracts.text import count
from models.tasks import find_task


def check_balance(data: AuditData) -> Part:
    """Holds the rarest class of train against `balance.min_share`."""
    if not find_task(data.problem.task).has_classes:
        spreads = data.whole.numbers.items()
        return Part(details={"balance": {split: _figures(one) for split, one in spreads}})
    counts = {split: _class_counts(data, one) for split, one in data.whole.classes.items()}
    part = Part(details={"balance": counts})
    shares = _shares(counts.get(TRAIN, {}))
    if not shares:
        return part
    spec, name = data.spec.balance, data.problem.label.name
    rarest = min(shares, key=lambda key: shares[key])
    # As rare against an even share as `min_share` is against one half.
    bound = spec.min_share * 2 / len(shares)
    part.checks.append(
        Checked(
            check="balance",
            feature=name,
            split=TRAIN,
            **judged(spec.severity, shares[rarest], bound, failed=shares[rarest] < bound),
            what=f"The rarest class of {name!r}, {rarest}, has {shares[rarest]:.2%} of train.",
            expected=f"at least {bound:.2%} of the rows",
            received=", ".join(f"{key}: {of_it:,}" for key, of_it in counts[TRAIN].items()),
            fix="set training.class_weights to balanced, or evaluation.costs so that the rare "
            "class weighs more; or bring more rows of it",
        )
    )
    return part


def check_sizes(data: AuditData) -> Part:
    """Holds each split's rows, and those of its smallest class, against what is usual."""
    part = Part()
    for split, rows in data.whole.rows.items():
        part.checks.append(_size(data, split, rows))
        if find_task(data.problem.task).has_classes:
            part.checks.append(_class_size(data, split, data.whole.classes[split]))
    return part


def _size(data: AuditData, split: str, rows: int) -> Checked:
    spec = data.spec.sizes
    bound = spec.train if split == TRAIN else spec.held_out
    return Checked(
        check="sizes",
        feature="",
        split=split,
        **judged(spec.severity, rows, bound, failed=rows < bound),
        what=f"Split {split} has {count(rows, 'row')}; at least {bound:,} are usual.",
        expected=f"at least {bound:,} rows",
        received=f"{rows:,}",
        fix="bring more data, or set evaluation.cross_validation: every row then tests once",
    )


def _class_size(data: AuditData, split: str, counts: Ints) -> Checked:
    spec, classes = data.spec.sizes, data.problem.label_classes()
    fewest = int(np.argmin(counts))
    rows = int(counts[fewest])
    return Checked(
        check="sizes",
        feature=data.problem.label.name,
        split=split,
        **judged(spec.severity, rows, spec.per_class, failed=rows < spec.per_class),
        what=f"Class {classes[fewest]} of {data.problem.label.name!r} has {count(rows, 'row')} in "
        f"split {split}; at least {spec.per_class:,} are usual.",
        expected=f"at least {spec.per_class:,} rows of each class",
        received=f"{rows:,} of class {classes[fewest]}",
        fix="bring more rows of it, or set data.split.by to stratified",
    )


def _class_counts(data: AuditData, counts: Ints) -> dict[str, int]:
    classes = data.problem.label_classes()
    return {str(name): int(count) for name, count in zip(classes, counts, strict=True)}


def _shares(counts: dict[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()} if total else {}


def _figures(numbers: Spread) -> dict[str, float | int]:
    if not numbers.rows:
        return {"rows": 0}
    return {
        "rows": numbers.rows,
        "mean": numbers.mean,
        "deviation": numbers.deviation,
        "min": numbers.low,
        "max": numbers.high,
    }
