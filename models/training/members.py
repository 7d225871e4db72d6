"""Members of an ensemble, each trained by its own loss.

A network of members ends in the mean of their scores: trained by the loss of the mean, it
would be one wide network whose parts make up for each other. See models/networks/towers.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from contracts.errors import ModelError
from models.networks.towers import MEAN_LAYER


@dataclass(frozen=True)
class MemberPredictions:
    """The predictions of one batch, as they are in training.

    Attributes:
      mean: The network's own.
      members: Those of all members, member after member: `[members * batch, outputs]`.
    """

    mean: Any
    members: Any


class OneMember:
    """A network that is no ensemble: it is its own only member."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def predict(self, features: Any) -> MemberPredictions:
        """Calls the network in training."""
        predicted = self._network(features, training=True)
        return MemberPredictions(predicted, predicted)

    def repeat(self, rows: Any) -> Any:
        """The rows as they are."""
        return rows

    def split(self, rows: Any) -> Any:
        """A value a row as `[1, batch]`."""
        return tf.reshape(rows, [1, -1])


class Members:
    """The members of an ensemble, over its own layers."""

    def __init__(self, network: Any, entry: Any) -> None:
        """Finds the members.

        Args:
          network: It has the layer `mean_of_members`; see `find_members`.
          entry: The tensors that the members predict from.

        Raises:
          ModelError: the task's head does not begin with a dense layer.
        """
        mean = network.get_layer(MEAN_LAYER)
        self.count = round(1 / mean.scale)
        self._width = mean.input.shape[-1]
        self._dense = _first_of_head(network, mean.output)
        self._score = keras.Model(entry, [mean.input, self._dense.input, network.output])
        # What follows the dense layer, such as the label's scale; for classes nothing does.
        last = self._dense.output is network.output
        self._answer = None if last else keras.Model(self._dense.output, network.output)

    def predict(self, features: Any) -> MemberPredictions:
        """Calls the network once, in training, for the members' and its own predictions."""
        hidden, joined, mean = self._score(features, training=True)
        kernel, outputs = self._dense.kernel, self._dense.units
        stacked = tf.reshape(tf.cast(hidden, kernel.dtype), [-1, self.count, self._stripe])
        kernels = tf.reshape(kernel[: self._width], [self.count, self._stripe, outputs])
        scores = tf.einsum("bmh,mho->mbo", stacked, kernels)
        if joined.shape[-1] > self._width:
            beside = tf.cast(joined[:, self._width :], kernel.dtype)
            scores += tf.matmul(beside, kernel[self._width :])
        scores = self._dense.activation(scores + self._dense.bias)
        members = tf.reshape(scores, [-1, outputs])
        return MemberPredictions(mean, members if self._answer is None else self._answer(members))

    def repeat(self, rows: Any) -> Any:
        """What belongs to the rows of a batch, once for each member; None stays None."""
        return None if rows is None else tf.concat([rows] * self.count, axis=0)

    def split(self, rows: Any) -> Any:
        """A value a row of all members as `[members, batch]`."""
        return tf.reshape(rows, [self.count, -1])

    @property
    def _stripe(self) -> int:
        return int(self._width // self.count)


def find_members(network: Any, entry: Any = None) -> Members | OneMember:
    """The members of a network.

    Args:
      network: A functional Keras model.
      entry: A tensor of it that the members predict from; None for its inputs.
    """
    if any(layer.name == MEAN_LAYER for layer in network.layers):
        return Members(network, network.input if entry is None else entry)
    return OneMember(network if entry is None else keras.Model(entry, network.output))


def _first_of_head(network: Any, mean: Any) -> Any:
    """The dense layer that takes the members, with the features beside them or not."""
    tensor = mean
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if any(entry is tensor for entry in keras.tree.flatten(layer.input)):
            if isinstance(layer, keras.layers.Dense):
                return layer
            tensor = layer.output
    raise ModelError(
        "an ensemble needs a task whose head begins with a dense layer",
        where="network.members",
        expected="a head of layers.Dense and, after it, layers without weights",
        fix="set network.members to 1",
    )
