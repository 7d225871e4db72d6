"""What `artifact.json` says to the developer of an app: the rules in words, and worked examples.

The examples are prepared by the transform graph itself, so that a program that meets them
prepares its inputs as the model was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.columns import MISSING_INT, MISSING_TEXT, MISSING_TOKEN, indicator_name
from contracts.preparation import Preparation, RawFeature

if TYPE_CHECKING:
    from models.compression.training_artifacts import Opened

Row = dict[str, Any]

_ROWS_TRIED = 100
_INPUTS = (
    "Compute in float32. Feed each entry of `inputs` with the feature that it names, as an array "
    "of [rows, width] of its dtype."
)
_MISSING = (
    "preparation.features lists the raw columns in order. A value is missing where it is null, "
    "NaN, infinite or an empty text, and where its column is absent."
)
_WHOLE = (
    "Where raw is int64 and the feature has no vocabulary, drop the fraction of a number first."
)
_INDICATOR = (
    f"missing_indicator: another feature, {indicator_name('<column>')}, is 1 where the value is "
    "missing, else 0."
)
_BY_KIND = {
    "numeric": "numeric: one number. Where there are low and high: no less than low, no more than "
    "high. A missing one is filler. Where there is a scale: (number - offset) / scale, also for "
    "the filler.",
    "cyclic": "cyclic: two numbers, the sine before the cosine: sin(number * angle), "
    "cos(number * angle). Both are 0 where the number is missing.",
    "boolean": "boolean: one number: 1 where the value is true or not 0, else 0, and filler "
    "where it is missing.",
}
_LOG = (
    "log: before it is scaled, also the filler: the natural logarithm of 1 + the number, and of a "
    "number below 0 minus the logarithm of 1 - the number."
)
_QUANTILES = (
    "quantiles: the number, or the filler, becomes a score. At or below the first quantile it is "
    "the first score, at or above the last one the last score. Else take the last quantile that is "
    "not above the number, and interpolate linearly from its score to that of the next quantile."
)
_LOOK_UP = (
    "vocabulary: the id of a text is its place in the list, counted from 0. A missing value is "
    f"looked up as {MISSING_TOKEN!r}. What is not in the list, {MISSING_TOKEN!r} included, has "
    "the last id: the length of the list."
)
_TEXT_OF = {
    "int64": "raw int64 with a vocabulary: look up the integer as decimal text, such as '7' or "
    "'-12'.",
    "float32": "raw float32 with a vocabulary: look up the number as text of at most 6 digits, "
    "as %g of C writes it, such as '1.5' or '1e+06'.",
    "string": "raw string: look up the text as it is, upper and lower case apart.",
}


def instructions_of(preparation: Preparation, output: str) -> tuple[str, ...]:
    """Gives the rules, in words; only those that the features need."""
    features = preparation.features
    kinds = {one.kind for one in features if one.vocabulary is None}
    raws = {one.raw for one in features if one.vocabulary is not None}
    return (
        _INPUTS,
        _MISSING,
        _WHOLE,
        *(text for kind, text in _BY_KIND.items() if kind in kinds),
        *((_LOG,) if any(one.log for one in features) else ()),
        *((_QUANTILES,) if any(one.quantiles for one in features) else ()),
        *((_LOOK_UP,) if raws else ()),
        *(text for raw, text in _TEXT_OF.items() if raw in raws),
        *((_INDICATOR,) if any(one.missing_indicator for one in features) else ()),
        output,
    )


def worked_examples(opened: Opened, preparation: Preparation) -> tuple[dict[str, Any], ...]:
    """Gives rows with their prepared values: an ordinary one, an empty one, an unknown one.

    Args:
      opened: The training artifacts; its transform graph prepares the rows.
      preparation: The same preparation, for its vocabularies.
    """
    named = [one for one in preparation.features if one.vocabulary is not None]
    cases: dict[str, Row] = {
        "a row of the validation data": _ordinary_row(opened),
        "every value is missing": {},
        "values that are in no vocabulary": {one.column: _unknown(one) for one in named},
    }
    if not named:
        cases.popitem()
    prepared = _transform(opened, list(cases.values()))
    return tuple(
        {
            "case": case,
            "raw": raw,
            "prepared": {
                name: values[place].tolist()
                for name, values in prepared.items()
                if case != "values that are in no vocabulary" or name in raw
            },
        }
        for place, (case, raw) in enumerate(cases.items())
    )


def _ordinary_row(opened: Opened) -> Row:
    """The row of the first ones of val that has the fewest missing values."""
    from models.data.dataset import records
    from models.data.representation import parse_rows

    examples = list(records(opened.artifacts.val_files).take(_ROWS_TRIED).as_numpy_iterator())
    if not examples:
        return {}
    raw = parse_rows(examples, _specs(opened))
    columns = {name: list(map(_plain, raw[name].numpy()[:, 0].tolist())) for name in raw}
    absent = np.array([[value is None for value in values] for values in columns.values()])
    place = int(absent.sum(axis=0).argmin())
    return {name: values[place] for name, values in columns.items()}


def _transform(opened: Opened, rows: Sequence[Row]) -> dict[str, Any]:
    import tensorflow as tf

    raw = {
        name: tf.constant([[_filled(row.get(name), spec.dtype)] for row in rows], spec.dtype)
        for name, spec in _specs(opened).items()
    }
    features = opened.source.transform(raw)
    # The graph gives them in an order that changes from process to process.
    return {port.name: features[port.name].numpy() for port in opened.inputs}


def _specs(opened: Opened) -> dict[str, Any]:
    from models.data.representation import raw_input_specs

    label = opened.artifacts.trainer.problem.label.name
    return dict(raw_input_specs(opened.schema, frozenset({label})))


def _plain(value: bytes | float) -> str | int | float | None:
    """A raw value as JSON has it; None where it is missing, or is no text in UTF-8."""
    if isinstance(value, bytes):
        try:
            return value.decode() or None
        except UnicodeDecodeError:
            return None
    return None if value == MISSING_INT or not np.isfinite(value) else value


def _filled(value: Any, dtype: Any) -> Any:
    if value is not None:
        return value
    if dtype.is_integer:
        return MISSING_INT
    return float("nan") if dtype.is_floating else MISSING_TEXT


def _unknown(feature: RawFeature) -> str | int | float:
    """A value of the column's type that is in no entry of its vocabulary."""
    words = set(feature.vocabulary or ())
    if feature.raw == "string":
        return next(text for place in count() if (text := f"unknown {place}") not in words)
    number = next(place for place in count() if str(place) not in words)
    return number if feature.raw == "int64" else float(number)
