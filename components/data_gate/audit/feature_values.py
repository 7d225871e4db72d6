"""Features that hold too little, or hold what a model cannot learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from components.data_gate.audit.columns import Codes, Floats, codes_of, is_text, numbers_of
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.whole import TRAIN
from contracts.results.checked import Checked, Part, judged
from models.features.kind import FeatureKind

# Of fewer values, nearly all are distinct by chance.
_FEWEST_VALUES = 20


@dataclass(frozen=True)
class _Column:
    """One feature in train.

    Attributes:
      name: The feature.
      spec: Its kind.
      values: Its values; of many rows, a sample.
      codes: The same as codes.
      rows: How many rows train has.
      present: How many of them have a value.
      distinct: How many values it has in train; of many rows, about.
    """

    name: str
    spec: FeatureKind
    values: pa.ChunkedArray
    codes: Codes
    rows: int
    present: int
    distinct: int

    @property
    def checks(self) -> frozenset[str]:
        return self.spec.audit_checks or frozenset()

    @property
    def commonest_share(self) -> float:
        """Below 1 where another value, or a missing one, was only seen outside the sample."""
        share = float(self.codes.counts().max() / len(self.values))
        others = self.distinct + (self.present < self.rows) - 1
        return min(share, 1 - others / self.rows) if share == 1 else share


def check_missing(data: AuditData) -> Part:
    """Compares the share of missing values with its bound, in the split that misses most."""
    names = [*data.features(), *data.contents()]
    shares: dict[str, dict[str, float]] = {name: {} for name in names}
    for split, rows in data.whole.rows.items():
        for name, by_split in shares.items():
            if rows:
                by_split[split] = data.whole.nulls[split][name] / rows
    checks = [_missing(data, name, by_split) for name, by_split in shares.items() if by_split]
    return Part(checks, {"missing": shares})


def check_constant(data: AuditData) -> Part:
    """Finds features that hold one value in nearly all rows of train."""
    return Part([_constant(data, column) for column in _columns(data)])


def check_outliers(data: AuditData) -> Part:
    """Finds numeric features with too many values far from the others."""
    numeric = [column for column in _columns(data) if "outliers" in column.checks]
    return Part([_outliers(data, column) for column in numeric if not is_text(column.values)])


def check_cardinality(data: AuditData) -> Part:
    """Finds categorical features with so many values that they need an embedding."""
    columns = _columns(data)
    checks = [_cardinality(data, one) for one in columns if "cardinality" in one.checks]
    return Part(checks, {"features": [_profile(column) for column in columns]})


def check_id_like(data: AuditData) -> Part:
    """Finds features that number or name the rows."""
    columns = [
        column
        for column in _columns(data)
        if column.present >= _FEWEST_VALUES and _may_be_id(column)
    ]
    return Part([_id_like(data, column) for column in columns])


def _columns(data: AuditData) -> list[_Column]:
    table = data.tables.get(TRAIN)
    if table is None or not table.num_rows:
        return []
    return [_column(data, name, table[name]) for name in data.features()]


def _column(data: AuditData, name: str, values: pa.ChunkedArray) -> _Column:
    codes, rows = codes_of(values), data.whole.rows[TRAIN]
    distinct = data.whole.distinct(name)
    return _Column(
        name=name,
        spec=data.problem.raw_columns()[name],
        values=values,
        codes=codes,
        rows=rows,
        present=rows - data.whole.nulls[TRAIN][name],
        distinct=len(codes.values) if distinct is None else distinct,
    )


def _missing(data: AuditData, name: str, shares: dict[str, float]) -> Checked:
    spec = data.spec.missing
    marked = not data.holds_numbers(name) or data.problem.raw_columns()[name].marks_missing
    bound = spec.max_marked_share if marked else spec.max_share
    split = max(shares, key=lambda key: shares[key])
    hint = "" if marked else ", or give it a missing_indicator"
    return Checked(
        check="missing",
        feature=name,
        split=split,
        **judged(spec.severity, shares[split], bound),
        what=f"Feature {name!r} is missing in {shares[split]:.1%} of split {split}.",
        expected=f"in at most {bound:.1%} of the rows",
        received=f"{shares[split]:.1%}",
        fix=f"fill the column in, or remove it from features{hint}",
    )


def _constant(data: AuditData, column: _Column) -> Checked:
    spec, share = data.spec.constant, column.commonest_share
    commonest = int(np.argmax(column.codes.counts()))
    values = column.codes.values
    value = "missing" if commonest == len(values) else repr(values[commonest].as_py())
    share_text = (
        f"is constant in train: {value}" if share == 1 else f"is {value} in {share:.2%} of train"
    )
    return Checked(
        check="constant",
        feature=column.name,
        split=TRAIN,
        **judged(spec.severity, share, spec.max_share, failed=share > spec.max_share or share == 1),
        what=f"Feature {column.name!r} {share_text}.",
        expected=f"one value in at most {spec.max_share:.2%} of the rows",
        received=f"{share:.2%}",
        fix="remove it from features: there is next to nothing to learn from it",
    )


def _outliers(data: AuditData, column: _Column) -> Checked:
    spec = data.spec.outliers
    numbers = numbers_of(column.values)
    present = numbers[~np.isnan(numbers)]
    low, high = _fences(present[np.isfinite(present)], spec.distance)
    far = int(np.sum((present < low) | (present > high)))
    share = far / len(present) if len(present) else 0.0
    return Checked(
        check="outliers",
        feature=column.name,
        split=TRAIN,
        **judged(spec.severity, share, spec.max_share),
        what=f"Feature {column.name!r} has {far:,} outliers ({share:.2%}) in train, "
        f"outside {low:.6g} to {high:.6g}.",
        expected=f"at most {spec.max_share:.2%} of the values",
        received=f"values from {present.min():.6g} to {present.max():.6g}" if far else "none",
        fix="correct wrong units and stand-ins such as 9999 in the data; if the values are "
        "right, raise data.audit.outliers.distance",
    )


def _fences(numbers: Floats, distance: float) -> tuple[float, float]:
    """The range of what is no outlier; unbounded where the values have no spread."""
    if not len(numbers):
        return -np.inf, np.inf
    low, middle, high = np.quantile(numbers, [0.1, 0.5, 0.9])
    if low == high:
        # Most of the values are one: what varies are the others.
        others = numbers[numbers != middle]
        if len(others) < _FEWEST_VALUES:
            return -np.inf, np.inf
        low, high = np.quantile(others, [0.1, 0.9])
    reach = distance * (high - low)
    if reach == 0:
        return -np.inf, np.inf
    return min(low, middle) - reach, max(high, middle) + reach


def _cardinality(data: AuditData, column: _Column) -> Checked:
    spec = data.spec.cardinality
    return Checked(
        check="cardinality",
        feature=column.name,
        split=TRAIN,
        **judged(spec.severity, column.distinct, spec.max_values),
        what=f"Feature {column.name!r} is categorical and has {column.distinct:,} values in "
        "train, each an input of its own.",
        expected=f"at most {spec.max_values:,} values",
        received=f"{column.distinct:,}",
        fix="give it the type vocabulary, which embeds them",
    )


def _may_be_id(column: _Column) -> bool:
    if is_text(column.values) or column.spec.is_category(holds_text=False):
        return True
    if not pa.types.is_integer(column.values.type):
        return False
    # Amounts may be distinct as well; numbers that count the rows leave few gaps.
    values = column.codes.values.to_numpy(zero_copy_only=False)
    return float(values.max()) - float(values.min()) < 2 * column.distinct


def _id_like(data: AuditData, column: _Column) -> Checked:
    spec = data.spec.id_like
    present = column.present
    share = min(column.distinct / present, 1.0)
    return Checked(
        check="id_like",
        feature=column.name,
        split=TRAIN,
        **judged(spec.severity, share, spec.max_share),
        what=f"Feature {column.name!r} has {column.distinct:,} distinct values in {present:,} "
        "rows of train" + (": it looks like an id." if share > spec.max_share else "."),
        expected=f"distinct values in at most {spec.max_share:.0%} of the rows",
        received=f"{share:.1%}",
        fix="remove it from features: its values do not come again",
    )


def _profile(column: _Column) -> dict[str, Any]:
    return {
        "feature": column.name,
        "type": column.spec.type,
        "distinct": column.distinct,
        "commonest_share": column.commonest_share,
    }
