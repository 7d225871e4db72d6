"""What is changed at random in the batches that a network is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.networks import InputSpec


class Augmentation:
    """Changes the features of a batch of training; val and the exported model see none of it."""

    def __init__(self, inputs: Sequence[InputSpec], *, mixing: bool = True) -> None:
        """Makes what the kinds of features offer.

        Args:
          inputs: The network's inputs.
          mixing: Whether rows may be mixed with others.
        """
        made = {
            port.name: port.encoding.augment()
            for port in inputs
            if port.encoding.augment is not None
        }
        # A batch has one share of labels: the first image that is mixed has it.
        mixed = [name for name, augmenter in made.items() if mixing and augmenter.mixes]
        self._augmenters = made
        self._mixed = mixed[0] if mixed else None

    @property
    def mixes(self) -> bool:
        """Whether labels are to be mixed."""
        return self._mixed is not None

    def __call__(self, features: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
        """Gives changed features, and the share of its own label that each row has, or None."""
        if not self._augmenters:
            return features, None
        changed = dict(features)
        for name, augmenter in self._augmenters.items():
            changed[name] = augmenter(changed[name])
        if self._mixed is None:
            return changed, None
        mixed, share = self._augmenters[self._mixed].mix(changed[self._mixed])
        return changed | {self._mixed: mixed}, share
