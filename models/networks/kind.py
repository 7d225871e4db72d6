"""What a kind of network is: one class, whose fields are its keys in the config.

A kind builds its network under `keras` and, for tools that know no other, under `tf_keras`; it
says which techniques can be applied to it. Nothing here imports TensorFlow or Keras.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from contracts.spec import Spec
from models.networks.ports import InputSpec, OutputSpec


class NetworkKind(Spec, ABC):
    """A network in the config; its `kind` names the class."""

    @abstractmethod
    def build(self, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
        """Builds the network as a functional model with a dict of inputs.

        Args:
          inputs: The transformed features.
          output: What to predict.
          keras_module: `keras` or `tf_keras`.

        Returns:
          An uncompiled model: P(second class) as `[batch, 1]`, class probabilities as
          `[batch, classes]`, or the label's value as `[batch, 1]`; float32 always.
        """

    def widths(self) -> tuple[int, ...]:
        """The widths of the layers whose weights can be pruned in a pattern."""
        return ()

    def student(self, scale: float, members: int | None) -> NetworkKind:
        """The network of a student: of the same kind and smaller; see `student_conflict`.

        Args:
          scale: The share of every width that is left.
          members: How many members of an ensemble are left; None leaves them all.
        """
        raise TypeError(f"a network of kind {type(self).__name__} has no student")

    def student_conflict(self, scale: float, members: int | None) -> str | None:
        """Says why the network has no such student; None where it has."""
        if not self.widths():
            return "a student is a narrower network, and a network of this kind has no widths"
        if members is not None:
            return "only an ensemble can be distilled into fewer members"
        return narrow_conflict(self.widths(), scale)

    def rebuild_conflict(self) -> str | None:
        """Says why tf_keras cannot build the network; None where it can."""
        return None


def narrow_conflict(widths: Sequence[int], scale: float) -> str | None:
    """Says which of the layers would have nothing left at a scale."""
    small = [width for width in widths if round(width * scale) < 1]
    return f"a layer of {small[0]} units has nothing left at scale {scale:g}" if small else None
