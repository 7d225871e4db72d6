"""Images among a request's inputs: which one a model could not decode."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from contracts.errors import DataError
from contracts.preparations.images import decode_image
from serving.errors import ServingError


def image_error(inputs: Mapping[str, np.ndarray], limits: Mapping[str, int]) -> ServingError | None:
    """Finds the first image that cannot be decoded, after a model has refused its inputs.

    Args:
      inputs: What the model was given.
      limits: By input that takes images, how many pixels these may have.
    """
    # Signatures of serialised examples have no input of images.
    for name, most in [item for item in limits.items() if item[0] in inputs]:
        for row, content in enumerate(np.ravel(inputs[name]), 1):
            try:
                if content:
                    decode_image(bytes(content), name, most, row)
            except DataError as error:
                return refused_image(error)
    return None


def refused_image(error: DataError) -> ServingError:
    """The answer to a request with an image that cannot be used."""
    facts = f"{error.where}; expected {error.expected}; received {error.received}"
    return ServingError(400, f"{error.what} ({facts})")
