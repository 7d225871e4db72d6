"""Weights of a network that is rebuilt under tf_keras."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.errors import ModelError
from models.compression.techniques.legacy import copy_weights


class _Network:
    def __init__(self, *shapes: tuple[int, ...]) -> None:
        self.weights = [np.full(shape, place, float) for place, shape in enumerate(shapes, 1)]

    def get_weights(self) -> list[np.ndarray]:
        return self.weights

    def set_weights(self, weights: list[np.ndarray]) -> None:
        self.weights = weights


def test_weights_are_copied_by_their_order() -> None:
    network, model = _Network((2, 3), (3,)), _Network((2, 3), (3,))
    model.weights[1] = np.zeros(3)
    copy_weights(network, model)
    np.testing.assert_array_equal(model.weights[1], np.full(3, 2.0))


@pytest.mark.parametrize(
    ("shapes", "received"),
    [(((2, 3), (4,)), "shape (4,) as weight 2"), (((2, 3),), "shape None as weight 2")],
)
def test_other_weights_are_named(shapes: tuple[tuple[int, ...], ...], received: str) -> None:
    with pytest.raises(ModelError, match="other weights under tf_keras") as caught:
        copy_weights(_Network((2, 3), (3,)), _Network(*shapes))
    assert caught.value.received == received
    assert caught.value.expected == "weight 2 of shape (3,)"
