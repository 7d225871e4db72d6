"""The task and the classes that a label's values suggest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen import kinds
from contracts.errors import DataError
from contracts.text import count, some
from models.data.text import text_of
from models.features.skewness import suits_logarithm
from models.features.spec import Task
from models.tasks.label_scale import LabelScale
from pipelines.recognition.sample import NESTED, TIME, Column, count_distinct

_MOST_TEXT_CLASSES = 100
_MOST_NUMBER_CLASSES = 20
# Whole numbers of more values count something, such as what was sold in a day.
_MOST_STATES = 10
_ROWS_A_CLASS = 10
_POSITIVE_WORDS = "yes y true t positive pos churn churned spam fraud default late bad good 1"
_POSITIVE = frozenset(_POSITIVE_WORDS.split(" "))

Class = int | str


@dataclass(frozen=True)
class LabelPlan:
    """How the label will be predicted.

    Attributes:
      task: The task.
      classes: The classes by id; empty where 0 and 1 need no list, or for regression.
      majority: The share of the most frequent class; 0 for regression.
      rarest: The rows of the least frequent class in the sample; 0 for regression.
      spread: The standard deviation of a regression label; 0 for classes.
      note: Why, for the comment.
      scale: What is learned of a regression label.
    """

    task: Task
    classes: tuple[Class, ...]
    majority: float
    rarest: int
    spread: float
    note: str
    scale: LabelScale = "standard"


def plan_label(
    column: Column, everywhere: pa.Array | None, where: str, *, of_series: bool = False
) -> LabelPlan:
    """Chooses task and classes.

    Args:
      column: The label in the sample.
      everywhere: Its distinct values over all rows; None where there are very many.
      where: The data, for errors.
      of_series: Whether the rows may be steps of a series: counts are then forecast, and what is
        learned is always the number itself.

    Raises:
      DataError: Nothing can be learned from this label.
    """
    _require_usable(column, everywhere, where)
    values = column.values.unique() if everywhere is None else everywhere.drop_null()
    kind = kinds.TEXT if pa.types.is_binary(values.type) else column.kind
    distinct = len(values)
    if kind == kinds.TEXT:
        if everywhere is None or distinct > _MOST_TEXT_CLASSES:
            raise DataError(
                f"the label {column.name!r} is text with too many different values",
                where=where,
                expected=f"at most {_MOST_TEXT_CLASSES} classes, or a number",
                received=f"{distinct:,} values, such as {some(_words(values)[:3])}",
                fix="choose another label",
            )
        return _classes(column, tuple(sorted(_words(values))))
    numbers = sorted(values.cast(pa.float64()).to_pylist()) if everywhere is not None else []
    if numbers == [0, 1] or (len(numbers) == 2 and _whole(numbers)):
        return _classes(column, tuple(int(number) for number in numbers))
    few = 0 < len(numbers) <= (_MOST_STATES if of_series else _MOST_NUMBER_CLASSES)
    if few and kind == kinds.INT and len(column.values) >= _ROWS_A_CLASS * distinct:
        return _classes(column, tuple(int(number) for number in numbers))
    spread = float(pc.stddev(column.values.cast(pa.float64())).as_py())
    note = "a number of many values"
    if of_series or not suits_logarithm(column.values):
        return LabelPlan("regression", (), 0.0, 0, spread, note)
    note += ", skewed to the right: its logarithm is learned"
    return LabelPlan("regression", (), 0.0, 0, spread, note, "log1p")


def _classes(column: Column, classes: tuple[Class, ...]) -> LabelPlan:
    counts = _counts(column)
    rarest = min(counts.get(str(name), 0) for name in classes)
    majority = max(counts.values()) / len(column.values)
    if len(classes) > 2:
        note = f"{len(classes)} different values"
        return LabelPlan("multiclass", classes, majority, rarest, 0.0, note)
    if classes == (0, 1):
        return LabelPlan("binary", (), majority, rarest, 0.0, "1 is the positive class")
    # The positive class comes last: a word that says so, or else the rarer one.
    first, second = classes
    telling = [str(name).strip().lower() in _POSITIVE for name in classes]
    is_rarer = counts.get(str(first), 0) < counts.get(str(second), 0)
    swap = telling[0] if any(telling) and not all(telling) else is_rarer
    ordered = (second, first) if swap else classes
    note = f"{ordered[1]!r} is the positive class; swap them if it is the other one"
    return LabelPlan("binary", ordered, majority, rarest, 0.0, note)


def _counts(column: Column) -> dict[str, int]:
    table = column.values.value_counts()
    names = table.field("values")
    texts = _words(names) if pa.types.is_binary(names.type) else names.to_pylist()
    counts = table.field("counts").to_pylist()
    return {
        str(int(name)) if isinstance(name, float) else str(name): rows
        for name, rows in zip(texts, counts, strict=True)
    }


def _require_usable(column: Column, everywhere: pa.Array | None, where: str) -> None:
    rows = len(column.values)
    place = f"{where}, column {column.name}"
    if column.kind in (NESTED, TIME):
        raise DataError(
            f"the label {column.name!r} is neither a number nor a class",
            where=place,
            received="a date or time" if column.kind == TIME else "lists or structs",
            fix="choose another label",
        )
    if pa.types.is_binary(column.values.type) and not _is_unicode(column.values):
        raise DataError(
            f"the label {column.name!r} is not text in UTF-8",
            where=place,
            received=some(map(repr, column.values.unique()[:3].to_pylist())),
            fix="write its classes as UTF-8",
        )
    if column.missing:
        raise DataError(
            f"the label {column.name!r} is missing in {count(column.missing, 'row')}",
            where=place,
            expected="a label in every row",
            received=f"{column.missing:,} of {count(rows, 'row')} looked at have none",
            fix="take those rows out of the data",
        )
    distinct = count_distinct(column.values) if everywhere is None else count_distinct(everywhere)
    if distinct < 2:
        raise DataError(
            f"the label {column.name!r} has one class only",
            where=place,
            expected="two classes or more, or numbers that differ",
            received=f"always {column.values[0].as_py()!r}",
            fix="choose another label",
        )


def _is_unicode(values: pa.Array) -> bool:
    classes = values.unique()
    return bool(text_of(classes).cast(classes.type).equals(classes))


def _words(values: pa.Array) -> list[str]:
    return [str(word) for word in values.cast(pa.string()).to_pylist()]


def _whole(numbers: list[float]) -> bool:
    return all(math.isfinite(number) and number == int(number) for number in numbers)
