"""What `artifact.json` says to the developer of an app: the rules in words, and worked examples.

The examples are prepared by the transform graph itself, so that a program that meets them
prepares its inputs as the model was trained.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.columns import MISSING_INT, MISSING_TEXT, indicator_name
from contracts.preparation import Preparation

if TYPE_CHECKING:
    from models.compression.training_artifacts import Opened

Row = dict[str, Any]

_ROWS_TRIED = 100
_MOST_VALUES = 10_000  # of a feature that is worth writing down: of a large image, the rule is
_INPUTS = (
    "Compute in float32. Feed each entry of `inputs` with the feature that it names, as an array "
    "of [rows, width] of its dtype, or of [rows, *shape] where it has a shape."
)
_MISSING = (
    "preparation.features lists the raw columns in order. A value is missing where it is null, "
    "NaN, infinite or an empty text, and where its column is absent."
)
_INDICATOR = (
    f"missing_indicator: another feature, {indicator_name('<column>')}, is 1 where the value is "
    "missing, else 0."
)


def instructions_of(preparation: Preparation, output: str) -> tuple[str, ...]:
    """Gives the rules, in words; only those that the features need."""
    features = preparation.features
    rules = [rule for feature in features for rule in feature.rules]
    return (
        _INPUTS,
        _MISSING,
        *dict.fromkeys(rules),
        *((_INDICATOR,) if any(feature.missing_indicator for feature in features) else ()),
        output,
    )


def worked_examples(opened: Opened, preparation: Preparation) -> tuple[dict[str, Any], ...]:
    """Gives rows with their prepared values: an ordinary one, an empty one, an unknown one.

    Args:
      opened: The training artifacts; its transform graph prepares the rows.
      preparation: The same preparation, for its vocabularies.
    """
    unknown = {
        feature.column: feature.unknown_value
        for feature in preparation.features
        if feature.unknown_value is not None
    }
    cases: dict[str, Row] = {
        "a row of the validation data": _ordinary_row(opened),
        "every value is missing": {},
        "values that are in no vocabulary": unknown,
    }
    if not unknown:
        cases.popitem()
    prepared = _transform(opened, list(cases.values()))
    return tuple(
        {
            "case": case,
            "raw": raw,
            "prepared": {
                name: values[place].tolist()
                for name, values in prepared.items()
                if (case != "values that are in no vocabulary" or name in raw)
                and values[place].size <= _MOST_VALUES
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
    columns = {name: list(map(_plain_values, raw[name].numpy().tolist())) for name in raw}
    absent = np.array([list(map(_lacks_some, values)) for values in columns.values()])
    place = int(absent.sum(axis=0).argmin())
    return {name: values[place] for name, values in columns.items()}


def _transform(opened: Opened, rows: Sequence[Row]) -> dict[str, Any]:
    import tensorflow as tf

    raw = {
        name: tf.constant([_filled_values(row.get(name), spec) for row in rows], spec.dtype)
        for name, spec in _specs(opened).items()
    }
    features = opened.source.transform(raw)
    # The graph gives them in an order that changes from process to process.
    return {port.name: features[port.name].numpy() for port in opened.inputs}


def _specs(opened: Opened) -> dict[str, Any]:
    from models.data.representation import raw_input_specs

    label = opened.artifacts.trainer.problem.label.name
    return dict(raw_input_specs(opened.schema, frozenset({label})))


def _plain_values(values: list[Any]) -> Any:
    """A raw value as JSON has it, or a list of them."""
    return _plain(values[0]) if len(values) == 1 else list(map(_plain, values))


def _lacks_some(value: Any) -> bool:
    return value is None or (isinstance(value, list) and None in value)


def _filled_values(value: Any, spec: Any) -> list[Any]:
    """What the parser gives of a raw value, or of a list of them."""
    size = int(spec.shape[0])
    values = value if isinstance(value, list) else [value] * size
    return [_filled(element, spec.dtype) for element in values]


def _plain(value: bytes | float) -> dict[str, str] | str | int | float | None:
    """A raw value as JSON has it; None where it is missing. Bytes are base64 under `b64`."""
    if isinstance(value, bytes):
        try:
            return value.decode() or None
        except UnicodeDecodeError:
            return {"b64": b64encode(value).decode()}
    return None if value == MISSING_INT or not np.isfinite(value) else value


def _filled(value: Any, dtype: Any) -> Any:
    if isinstance(value, dict):
        return b64decode(value["b64"])
    if value is not None:
        return value
    if dtype.is_integer:
        return MISSING_INT
    return float("nan") if dtype.is_floating else MISSING_TEXT
