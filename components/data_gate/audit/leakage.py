"""What each feature alone says of the label; one that nearly decides it is no honest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

from components.data_gate.audit.columns import (
    Floats,
    Ints,
    codes_of,
    is_text,
    labels_of,
    numbers_of,
    sample,
)
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.whole import TRAIN
from contracts.arrays import Array
from contracts.results.checked import Checked, Part, judged
from models.features.spec import Task
from models.tasks import find_task

FOLDS = 5
_BINS = 64
_ROWS_PER_BIN = 20
_FEWEST_ROWS = 50
_FEWEST_OF_CLASS = 10
_MEASURES = {
    "binary": "area under the ROC curve",
    "multiclass": "area under the ROC curve of the class predicted worst",
    "regression": "share of variance",
    "forecast": "share of variance",
}


@dataclass(frozen=True)
class _Target:
    """The label of the rows looked at.

    Attributes:
      task: The task.
      labels: Class ids, or numbers.
      folds: By row, the part whose label is not shown when the row is predicted.
    """

    task: Task
    labels: Array
    folds: Ints


def check_leakage(data: AuditData) -> Part:
    """Compares each feature's power with `leakage.max_power`.

    Windows are left out: their past is no leak, and `series.future` looks at their future.
    """
    if TRAIN not in data.tables:
        return Part()
    rng = np.random.default_rng(0)
    table = sample(data.tables[TRAIN], data.spec.leakage.rows, rng)
    labels = labels_of(table, data.problem)
    known = labels >= 0 if labels.dtype.kind == "i" else np.isfinite(labels)
    if not known.all():
        table, labels = table.filter(pa.array(known)), labels[known]
    if len(labels) < _FEWEST_ROWS or labels.min() == labels.max():
        return Part()
    target = _Target(data.problem.task, labels, rng.permutation(len(labels)) % FOLDS)
    powers = {
        name: feature_power(table[name], data.holds_numbers(name), target)
        for name in data.features()
        if name not in data.windows()
    }
    ranked = sorted(powers, key=lambda name: -powers[name])
    details = [{"feature": name, "power": powers[name]} for name in ranked]
    checks = [_checked(data, name, powers[name]) for name in ranked]
    if data.spec.leakage.severity == "off":
        checks = []
    return Part([*checks, *_gap(data, ranked, powers)], {"leakage": details})


def _gap(data: AuditData, ranked: list[str], powers: Mapping[str, float]) -> list[Checked]:
    """Compares the best feature with the next; one that is refused already is not looked at."""
    spec, gap = data.spec.leakage, data.spec.leakage.gap
    if gap.severity == "off" or len(ranked) < 2:
        return []
    best, second = ranked[:2]
    ahead, measure = powers[best] - powers[second], _MEASURES[find_task(data.problem.task).form]
    refused = spec.severity != "off" and powers[best] > spec.max_power
    failed = powers[best] >= gap.min_power and ahead > gap.max_gap and not refused
    return [
        Checked(
            check="leakage.gap",
            feature=best,
            split=TRAIN,
            **judged(gap.severity, ahead, gap.max_gap, failed=failed),
            what=f"Feature {best!r} alone predicts the label {data.problem.label.name!r} far "
            f"better than any other: {measure} {powers[best]:.3f}, the next, {second!r}, "
            f"{powers[second]:.3f}."
            if failed
            else f"Feature {best!r} is {ahead:.3f} ahead of the next, {second!r}: {measure} "
            f"{powers[best]:.3f}.",
            expected=f"{measure} below {gap.min_power:g}, or at most {gap.max_gap:g} more than "
            "the next feature's",
            received=f"{powers[best]:.4f} from {best!r}, {powers[second]:.4f} from {second!r}",
            fix=f"is {best!r} known before the label is? If not, remove it from features; if it "
            "is, raise data.audit.leakage.gap.max_gap",
        )
    ]


def feature_power(column: pa.ChunkedArray, number: bool, target: _Target) -> float:
    """How well a column alone tells the label, between chance and 1.

    A row's value is worth the mean label of the other folds' rows with the same value, or
    with a number of the same bin, so an id, which does not come again, is worth nothing. A
    number is also taken as a score as it is. Missing is a value.
    """
    ways: list[float] = []
    if is_text(column) or not number or pa.types.is_integer(column.type):
        ways.append(_power_of_codes(codes_of(column).codes, target))
    if not is_text(column) and number:
        numbers = numbers_of(column)
        ways.append(_power_of_codes(_binned(numbers), target))
        ways.append(_power_of_numbers(numbers, target))
    return max(ways)


def _checked(data: AuditData, name: str, power: float) -> Checked:
    spec, label = data.spec.leakage, data.problem.label.name
    tells = "alone nearly decides" if power > spec.max_power else "alone tells of"
    measure = _MEASURES[find_task(data.problem.task).form]
    return Checked(
        check="leakage",
        feature=name,
        split=TRAIN,
        **judged(spec.severity, power, spec.max_power),
        what=f"Feature {name!r} {tells} the label {label!r}: {measure} {power:.3f}.",
        expected=f"{measure} at most {spec.max_power:g}",
        received=f"{power:.4f} from {name!r} alone",
        fix=f"is {name!r} known before the label is? If not, remove it from features; if it is, "
        "raise data.audit.leakage.max_power",
    )


def _power_of_codes(codes: Ints, target: _Target) -> float:
    cells, cell_of_row = np.unique(codes * FOLDS + target.folds, return_inverse=True)
    code_of_cell = cells // FOLDS
    if not find_task(target.task).has_classes:
        return _explained_by_cells(code_of_cell, cell_of_row, target.labels)
    classes = int(target.labels.max()) + 1
    hits = _table(cell_of_row, target.labels, len(cells), classes)
    rest = _table(codes, target.labels, int(codes.max()) + 1, classes)[code_of_cell] - hits
    prior = hits.sum(axis=0) / len(codes)
    scores = (rest + prior) / (rest.sum(axis=1, keepdims=True) + 1)
    rows = hits.sum(axis=1)
    areas = [
        _area(scores[:, one], hits[:, one], rows - hits[:, one])
        for one in _classes_to_judge(hits.sum(axis=0))
    ]
    return max(0.5, min(areas, default=0.5))


def _power_of_numbers(numbers: Floats, target: _Target) -> float:
    if not find_task(target.task).has_classes:
        return _explained_by_line(numbers, target.labels)
    sizes = np.bincount(target.labels).astype(np.float64)
    judged = _classes_to_judge(sizes)
    best = np.full(len(judged), 0.5)
    for missing in (-np.inf, np.inf):
        ranks = rankdata(np.where(np.isnan(numbers), missing, numbers))
        sums = np.bincount(target.labels, weights=ranks)[judged]
        own = sizes[judged]
        areas = (sums - own * (own + 1) / 2) / (own * (len(numbers) - own))
        best = np.maximum(best, np.maximum(areas, 1 - areas))
    return float(best.min()) if len(judged) else 0.5


def _classes_to_judge(rows: Floats) -> Ints:
    """The classes with rows enough; of two, the second says it all."""
    if len(rows) == 2:
        return np.array([1])
    return np.flatnonzero((rows >= _FEWEST_OF_CLASS) & (rows < rows.sum()))


def _table(codes: Ints, labels: Ints, size: int, classes: int) -> Floats:
    counts = np.bincount(codes * classes + labels, minlength=size * classes)
    return counts.reshape(size, classes).astype(np.float64)


def _area(scores: Floats, hits: Floats, misses: Floats) -> float:
    """The area under the ROC curve of counted scores; ties are worth one half."""
    _, places = np.unique(scores, return_inverse=True)
    good, bad = np.bincount(places, weights=hits), np.bincount(places, weights=misses)
    below = np.cumsum(bad) - bad
    return float((good * (below + bad / 2)).sum() / (good.sum() * bad.sum()))


def _explained_by_cells(code_of_cell: Ints, cell_of_row: Ints, labels: Floats) -> float:
    total, mean = np.sum((labels - labels.mean()) ** 2), labels.mean()
    sums, rows = np.bincount(cell_of_row, weights=labels), np.bincount(cell_of_row)
    rest_sums = np.bincount(code_of_cell, weights=sums)[code_of_cell] - sums
    rest_rows = np.bincount(code_of_cell, weights=rows)[code_of_cell] - rows
    predicted = (rest_sums + mean) / (rest_rows + 1)
    return max(0.0, float(1 - np.sum((labels - predicted[cell_of_row]) ** 2) / total))


def _explained_by_line(numbers: Floats, labels: Floats) -> float:
    """The variance that a line explains, of the labels or of their ranks.

    A row without a number is predicted as the mean of such rows.
    """
    present = np.isfinite(numbers)
    if np.sum(present) < 2:
        return 0.0
    best = 0.0
    for targets in (labels, rankdata(labels)):
        given = numbers[present] if targets is labels else rankdata(numbers[present])
        left = _scatter(targets[~present])
        left += _scatter(targets[present]) * (1 - _correlation(given, targets[present]) ** 2)
        best = max(best, 1 - left / _scatter(targets))
    return best


def _scatter(values: Floats) -> float:
    return float(np.sum((values - values.mean()) ** 2)) if len(values) else 0.0


def _correlation(one: Floats, other: Floats) -> float:
    if one.min() == one.max() or other.min() == other.max():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _binned(numbers: Floats) -> Ints:
    """Quantile bins; a value that fills one by itself has its own, missing the last."""
    bins = min(_BINS, max(2, len(numbers) // _ROWS_PER_BIN))
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return np.where(np.isnan(numbers), 1, 0)
    edges, times = np.unique(
        np.quantile(finite, np.linspace(0, 1, bins + 1)[1:-1]), return_counts=True
    )
    edges = np.unique(np.r_[edges, np.nextafter(edges[times > 1], np.inf)])
    codes = np.searchsorted(edges, numbers, side="right")
    return np.where(np.isnan(numbers), len(edges) + 1, codes).astype(np.int64)
