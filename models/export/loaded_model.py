"""A SavedModel of Kelp's, opened: predictions, and the two halves of its network.

Everything is read from the SavedModel itself: neither config nor schema is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from contracts.arrays import Array
from contracts.columns import MISSING_INT, MISSING_TEXT, list_values
from contracts.errors import ModelError
from contracts.forecasts import flat_quantiles
from contracts.preparations.images import require_decodable
from models.export.encoding import BATCH_ROWS, Encoding, encoding_from_json
from models.export.input_limits import image_limits

Columns = dict[str, Array]

_TYPES = {tf.float32: "number", tf.int64: "integer", tf.string: "text"}
_ANSWERS = ("probabilities", "quantiles", "predictions")


@dataclass(frozen=True)
class LoadedModel:
    """A SavedModel with what it says about itself.

    Attributes:
      folder: Where it was loaded from.
      encoding: Its features and encoded columns.
      model: What TensorFlow loaded.
    """

    folder: Path
    encoding: Encoding
    model: Any

    @property
    def is_explainable(self) -> bool:
        """Whether the network joins its encoded features in one flat layer."""
        return bool(self.encoding.features)

    def types(self) -> dict[str, str]:
        """By raw column, what a value must be: a `number`, an `integer`, `text` or an `image`."""
        specs, files = self._specs(), self.encoding.files
        return {
            column: "image" if column in files else _TYPES[specs[name].dtype]
            for column, name in self.encoding.inputs.items()
        }

    def sizes(self) -> dict[str, int]:
        """By raw column whose rows hold lists of numbers, how long these are."""
        specs = self._specs()
        return {
            column: int(specs[name].shape[1])
            for column, name in self.encoding.inputs.items()
            if len(specs[name].shape) == 2
        }

    def columns(self, table: pa.Table) -> Columns:
        """Turns raw columns into the inputs of `serving_default`; null becomes "missing".

        A column that the table lacks is missing in every row.
        """
        specs = self._specs()
        return {
            name: _column(table, column, specs[name])
            for column, name in self.encoding.inputs.items()
        }

    def answers(self, columns: Columns) -> Columns:
        """All outputs of `serving_default`, as a client gets them.

        Raises:
          DataError: an image cannot be decoded.
        """
        serve = self.model.signatures["serving_default"]
        batches = _batches(columns, self.encoding.rows_at_once)
        try:
            parts = [serve(**part) for part in batches]
        except tf.errors.InvalidArgumentError:
            require_decodable(columns, image_limits(self.model))
            raise
        return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}

    def predict(self, columns: Columns) -> Array:
        """P(second class) `[n]`, class probabilities `[n, classes]` or predictions `[n]`.

        A forecast: all steps of the lowest quantile, then those of the next one.
        """
        answers = self.answers(columns)
        return flat_quantiles(next(answers[name] for name in _ANSWERS if name in answers))

    def encode(self, columns: Columns) -> Array:
        """The encoded matrix `[n, width]`."""
        parts = _batches(columns, self.encoding.rows_at_once)
        return np.concatenate([self.model.encode(part).numpy() for part in parts])

    def head(self, encoded: Array) -> Array:
        """Predictions from encoded rows, in the form of `predict`."""
        return _flat(_over(self.model.head, encoded))

    def score(self, encoded: Array) -> Array:
        """Log-odds `[n]`, a logit a class `[n, classes]` or predictions `[n]`."""
        return _flat(_over(self.model.score, encoded))

    def gradient(self, encoded: Array, loss: Callable[[tf.Tensor, slice], tf.Tensor]) -> Array:
        """The gradient of each row's loss by its encoded columns.

        Args:
          encoded: The encoded rows.
          loss: Gives a loss a row, from the rows' scores `[batch, ...]` and their places.
        """
        parts = []
        for start in range(0, len(encoded), BATCH_ROWS):
            place = slice(start, start + BATCH_ROWS)
            matrix = tf.constant(encoded[place], tf.float32)
            with tf.GradientTape() as tape:
                tape.watch(matrix)
                value = tf.reduce_sum(loss(self.model.score(matrix), place))
            parts.append(tape.gradient(value, matrix).numpy())
        return np.concatenate(parts)

    def _specs(self) -> Mapping[str, tf.TensorSpec]:
        specs: Mapping[str, tf.TensorSpec] = self.model.signatures[
            "serving_default"
        ].structured_input_signature[1]
        return specs


def load_model(folder: Path) -> LoadedModel:
    """Opens a SavedModel.

    Raises:
      ModelError: it is no SavedModel, or one that does not describe itself.
    """
    model = open_saved_model(folder)
    if not hasattr(model, "encoding"):
        raise ModelError(
            f"{folder} does not describe its features",
            where=str(folder),
            expected="a SavedModel with the function encoding",
            received="one that an older version of Kelp, or another program, wrote",
            fix="train again: `kelp run CONFIG --from Trainer`",
        )
    return LoadedModel(folder, encoding_from_json(model.encoding().numpy().decode()), model)


def open_saved_model(folder: Path) -> Any:
    """Loads any SavedModel as TensorFlow gives it.

    Raises:
      ModelError: it is no SavedModel, or not a whole one.
    """
    if not (folder / "saved_model.pb").is_file():
        raise ModelError(
            f"{folder} is no SavedModel",
            where=str(folder),
            expected="a folder with saved_model.pb, such as serving_models/NAME/1",
            fix="`kelp run CONFIG` trains a model and pushes it to serving_models/",
        )
    try:
        return tf.saved_model.load(str(folder))
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        raise ModelError(
            f"{folder} does not load",
            where=str(folder),
            expected="a whole SavedModel",
            received=str(error),
            fix="copy it again from where it was written, or train again",
        ) from error


def _column(table: pa.Table, feature: str, spec: tf.TensorSpec) -> Array:
    dtype = spec.dtype
    if spec.shape.rank == 2:
        column = table[feature] if feature in table.column_names else None
        return list_values(feature, column, int(spec.shape[1]), table.num_rows)
    missing = {tf.float32: float("nan"), tf.int64: MISSING_INT, tf.string: MISSING_TEXT}[dtype]
    kind = {tf.float32: pa.float32(), tf.int64: pa.int64(), tf.string: pa.string()}[dtype]
    if feature in table.column_names and pa.types.is_binary(table[feature].type):
        kind, missing = pa.binary(), MISSING_TEXT.encode()
    if feature not in table.column_names:
        column = pa.nulls(table.num_rows, kind)
    else:
        # Unsafe: a large integer is rounded to the nearest float32, as it is when served.
        column = table[feature].cast(kind, safe=not pa.types.is_floating(kind))
    values: Array = pc.fill_null(column, pa.scalar(missing, kind)).to_numpy(zero_copy_only=False)
    return values


def _batches(columns: Columns, size: int) -> Iterator[dict[str, tf.Tensor]]:
    rows = len(next(iter(columns.values())))
    for start in range(0, max(rows, 1), size):
        yield {name: tf.constant(column[start : start + size]) for name, column in columns.items()}


def _over(function: Any, matrix: Array) -> Array:
    parts = [
        function(tf.constant(matrix[start : start + BATCH_ROWS], tf.float32)).numpy()
        for start in range(0, max(len(matrix), 1), BATCH_ROWS)
    ]
    return np.concatenate(parts)


def _flat(values: Array) -> Array:
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
