"""The network cut in two where all features are numbers: raw columns in, encoded columns out.

A SavedModel keeps both halves and the map between them, so that it can be explained
without the pipeline that made it. Nothing here is a signature: servers do not see it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from contracts.names import serving_name
from contracts.results.forecast import ForecastFacts
from models.features.spec import FeaturesSpec, Task
from models.networks.parts import FEATURES_LAYER
from models.tasks import find_task

BATCH_ROWS = 8192
_FILE_ROWS = 128  # rows with images: each takes a multiple of its size once decoded


@dataclass(frozen=True)
class EncodedFeature:
    """Where one raw feature lies among the encoded columns.

    Attributes:
      feature: Its name in the config.
      columns: The raw columns that it is made of.
      kind: Its type in the config.
      start: Its first encoded column.
      stop: One past its last encoded column.
      indicator: Whether the last of them says that the value is missing.
    """

    feature: str
    columns: tuple[str, ...]
    kind: str
    start: int
    stop: int
    indicator: bool


@dataclass(frozen=True)
class Encoding:
    """What a SavedModel says about itself.

    Attributes:
      task: The task.
      label: The label's name.
      classes: The label's classes as text, by id; empty for regression.
      inputs: By raw column, its name among the inputs of `serving_default`.
      files: The raw columns that hold files.
      features: The features, in the order of their encoded columns; empty where the network
        does not join them in one flat layer.
      reference: The mean encoded row of rows of val: the point that attributions start from.
      threshold: The operating threshold; binary only.
      forecast: The levels of the quantiles and what MASE is scaled by; forecasts only.
      rows: How many rows the network takes at once.
    """

    task: Task
    label: str
    classes: tuple[str, ...]
    features: tuple[EncodedFeature, ...]
    reference: tuple[float, ...]
    threshold: float | None
    inputs: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    forecast: ForecastFacts | None = None
    rows: int = BATCH_ROWS

    @property
    def rows_at_once(self) -> int:
        """How many rows to ask about in one call."""
        return min(self.rows, _FILE_ROWS) if self.files else self.rows

    def to_json(self) -> str:
        """Gives the text that the SavedModel keeps."""
        forecast = None if self.forecast is None else self.forecast.model_dump(mode="json")
        return json.dumps({**asdict(self), "forecast": forecast})


def encoding_from_json(text: str) -> Encoding:
    """Reads what `Encoding.to_json` wrote."""
    fields = json.loads(text)
    forecast = fields.get("forecast")
    return Encoding(
        task=fields["task"],
        label=fields["label"],
        classes=tuple(fields["classes"]),
        features=tuple(map(_feature, fields["features"])),
        reference=tuple(fields["reference"]),
        threshold=fields["threshold"],
        inputs=fields.get("inputs")
        or {entry["feature"]: entry["input"] for entry in fields["features"]},
        files=tuple(fields.get("files", ())),
        forecast=forecast and ForecastFacts.model_validate(forecast),
        rows=fields.get("rows", BATCH_ROWS),
    )


def _feature(entry: Mapping[str, Any]) -> EncodedFeature:
    """Models of older versions name the input of the one column that a feature was made of."""
    known = {key: value for key, value in entry.items() if key != "input"}
    columns = tuple(entry.get("columns", (entry["feature"],)))
    return EncodedFeature(**{**known, "columns": columns})


@dataclass(frozen=True)
class Halves:
    """The network's two halves, over the network's own weights.

    Attributes:
      encode: Transformed features to the encoded matrix `[batch, width]`.
      head: The encoded matrix to the network's prediction.
      score: The encoded matrix to what the last activation is given: the log-odds of the
        second class, a logit a class, or the prediction itself for regression.
    """

    encode: Callable[[Mapping[str, tf.Tensor]], tf.Tensor]
    head: Callable[[tf.Tensor], tf.Tensor]
    score: Callable[[tf.Tensor], tf.Tensor]


def cut(network: Any, task: Task) -> Halves:
    """Cuts a network at its layer `features`.

    Args:
      network: A functional Keras model; for classes its last layer is dense.
      task: Says whether that layer ends in an activation.
    """
    import keras

    encoded = network.get_layer(FEATURES_LAYER).output
    encoder = keras.Model(network.input, encoded)
    head = keras.Model(encoded, network.output)
    last = network.layers[-1]
    hidden = None if not find_task(task).has_classes else keras.Model(encoded, last.input)

    def score(matrix: tf.Tensor) -> tf.Tensor:
        if hidden is None:
            return head(matrix, training=False)
        return tf.matmul(hidden(matrix, training=False), last.kernel) + last.bias

    return Halves(
        encode=lambda features: encoder(dict(features), training=False),
        head=lambda matrix: head(matrix, training=False),
        score=score,
    )


def joined_widths(problem: FeaturesSpec, network: Any) -> list[int]:
    """The widths of the tensors that the layer `features` joins, one for each port.

    Empty where the network has no such layer, or it joins anything else: such a network is
    trained, exported and measured, and its encoded features are not explained.
    """
    layer = next((layer for layer in network.layers if layer.name == FEATURES_LAYER), None)
    joined = [] if layer is None else layer.input
    tensors = joined if isinstance(joined, (list, tuple)) else [joined]
    widths = [tensor.shape[-1] for tensor in tensors if len(tensor.shape) == 2]
    ports = sum(len(spec.outputs(name)) for name, spec in problem.features.items())
    return list(map(int, widths)) if len(widths) == len(tensors) == ports else []


def describe(
    problem: FeaturesSpec,
    widths: Sequence[int],
    reference: Array,
    threshold: float | None,
    forecast: ForecastFacts | None = None,
    rows: int = BATCH_ROWS,
) -> Encoding:
    """Maps the encoded columns of a network to the features of its problem.

    Args:
      problem: The features and the label.
      widths: What `joined_widths` gave.
      reference: The mean encoded row of some rows.
      threshold: The operating threshold; binary only.
      forecast: What the model says of its forecasts.
      rows: How many rows the network takes at once.
    """
    remaining = list(widths)
    features: list[EncodedFeature] = []
    start = 0
    for name, spec in problem.features.items() if widths else ():
        stop = start + sum(remaining.pop(0) for _ in spec.outputs(name))
        columns = spec.raw_columns(name)
        features.append(EncodedFeature(name, columns, spec.type, start, stop, spec.marks_missing))
        start = stop
    return Encoding(
        find_task(problem.task).form,
        problem.label.name,
        tuple(str(value) for value in problem.label_classes()),
        tuple(features),
        tuple(float(value) for value in reference),
        threshold,
        {column: serving_name(column) for column in problem.raw_columns()},
        problem.file_columns(),
        forecast,
        rows,
    )


def mean_row(halves: Halves, sample: Mapping[str, tf.Tensor], rows: int = BATCH_ROWS) -> Array:
    """The mean encoded row of transformed features, of which some rows are encoded at once."""
    count = len(next(iter(sample.values())))
    parts = [
        np.asarray(
            halves.encode({name: part[start : start + rows] for name, part in sample.items()})
        )
        for start in range(0, count, rows)
    ]
    mean: Array = np.concatenate(parts).mean(axis=0, dtype=np.float64)
    return mean
