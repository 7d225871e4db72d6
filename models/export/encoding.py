"""The network cut in two where all features are numbers: raw columns in, encoded columns out.

A SavedModel keeps both halves and the map between them, so that it can be explained
without the pipeline that made it. Nothing here is a signature: servers do not see it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from contracts.names import serving_name
from models.features.spec import FeaturesSpec, Task
from models.networks.parts import FEATURES_LAYER

Array = np.ndarray[Any, Any]
Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class EncodedFeature:
    """Where one raw feature lies among the encoded columns.

    Attributes:
      feature: Its name in the data.
      input: Its name among the inputs of `serving_default`.
      kind: Its type in the config.
      start: Its first encoded column.
      stop: One past its last encoded column.
      indicator: Whether the last of them says that the value is missing.
    """

    feature: str
    input: str
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
      features: The raw features, in the order of their encoded columns.
      reference: The mean encoded row of rows of val: what attributions are told against.
      threshold: The operating threshold; binary only.
    """

    task: Task
    label: str
    classes: tuple[str, ...]
    features: tuple[EncodedFeature, ...]
    reference: tuple[float, ...]
    threshold: float | None

    def to_json(self) -> str:
        """Gives the text that the SavedModel keeps."""
        return json.dumps(asdict(self))


def encoding_from_json(text: str) -> Encoding:
    """Reads what `Encoding.to_json` wrote."""
    fields = json.loads(text)
    return Encoding(
        task=fields["task"],
        label=fields["label"],
        classes=tuple(fields["classes"]),
        features=tuple(EncodedFeature(**entry) for entry in fields["features"]),
        reference=tuple(fields["reference"]),
        threshold=fields["threshold"],
    )


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
    hidden = None if task == "regression" else keras.Model(encoded, last.input)

    def score(matrix: tf.Tensor) -> tf.Tensor:
        if hidden is None:
            return head(matrix, training=False)
        return tf.matmul(hidden(matrix, training=False), last.kernel) + last.bias

    return Halves(
        encode=lambda features: encoder(dict(features), training=False),
        head=lambda matrix: head(matrix, training=False),
        score=score,
    )


def describe(
    problem: FeaturesSpec, network: Any, reference: Array, threshold: float | None
) -> Encoding:
    """Maps the encoded columns of a network to the features of its problem."""
    joined = network.get_layer(FEATURES_LAYER).input
    tensors = joined if isinstance(joined, (list, tuple)) else [joined]
    widths = iter([int(tensor.shape[-1]) for tensor in tensors])
    features: list[EncodedFeature] = []
    start = 0
    for name, spec in problem.features.items():
        indicator = bool(getattr(spec, "missing_indicator", False))
        stop = start + next(widths) + (next(widths) if indicator else 0)
        features.append(EncodedFeature(name, serving_name(name), spec.type, start, stop, indicator))
        start = stop
    return Encoding(
        problem.task,
        problem.label.name,
        tuple(str(value) for value in problem.label_classes()),
        tuple(features),
        tuple(float(value) for value in reference),
        threshold,
    )


def mean_row(halves: Halves, sample: Mapping[str, tf.Tensor]) -> Array:
    """The mean encoded row of a sample of transformed features."""
    mean: Array = np.asarray(halves.encode(sample)).mean(axis=0, dtype=np.float64)
    return mean
