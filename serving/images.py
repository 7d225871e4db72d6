"""Images among a request's inputs: which one a model could not decode."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from contracts.errors import DataError
from contracts.preparations.images import find_undecodable
from serving.errors import ServingError


def image_error(inputs: Mapping[str, np.ndarray], limits: Mapping[str, int]) -> ServingError | None:
    """Finds the first image that cannot be decoded, after a model has refused its inputs.

    Args:
      inputs: What the model was given.
      limits: By input that takes images, how many pixels these may have.
    """
    found = find_undecodable(inputs, limits)
    return None if found is None else refused_image(found[2])


def refused_image(error: DataError) -> ServingError:
    """The answer to a request with an image that cannot be used."""
    facts = f"{error.where}; expected {error.expected}; received {error.received}"
    return ServingError(400, f"{error.what} ({facts})")
