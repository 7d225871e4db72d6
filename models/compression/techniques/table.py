"""The techniques that give a trained network other weights: one module and one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.errors import ModelError
from contracts.text import did_you_mean
from models.compression.spec import ClusteredSpec, PrunedSpec, QatSpec, WeightsSpec
from models.networks.kind import NetworkKind

_SMALLEST_BLOCK = 4  # of weights, two of which a 2:4 pattern keeps


@dataclass(frozen=True)
class Technique:
    """How weights are made.

    Attributes:
      maker: `module:function`, which takes the `Opened` training artifacts, the trained network
        and the technique's part of the config, and gives a network with a history of epochs.
      conflict: Says why the technique cannot be combined with a network, in one sentence; None
        where nothing is known against it.
    """

    maker: str
    conflict: Callable[[Any, NetworkKind], str | None] = lambda *_: None


def _legacy_conflict(
    weights: PrunedSpec | ClusteredSpec | QatSpec, network: NetworkKind
) -> str | None:
    reason = network.rebuild_conflict()
    if reason is None:
        return None
    return f"{weights.weights} weights need a network that tf_keras can build: {reason}"


def _pruning_conflict(weights: PrunedSpec, network: NetworkKind) -> str | None:
    reason = _legacy_conflict(weights, network)
    if reason is not None:
        return reason
    if not network.widths():
        return "the last layer is never pruned, and this network has no hidden layer"
    odd = [width for width in network.widths() if width % _SMALLEST_BLOCK]
    if weights.pattern != "2:4" or not odd:
        return None
    return f"2:4 needs layers in blocks of {_SMALLEST_BLOCK}, and one is {odd[0]} wide"


TECHNIQUES: dict[str, Technique] = {
    "none": Technique("models.compression.techniques.original:keep_weights"),
    "pruned": Technique("models.compression.techniques.pruning:prune", _pruning_conflict),
    "clustered": Technique("models.compression.techniques.clustering:cluster", _legacy_conflict),
    "qat": Technique("models.compression.techniques.qat:train_aware", _legacy_conflict),
    "distilled": Technique(
        "models.compression.techniques.distillation:distil",
        lambda weights, network: network.student_conflict(weights.scale, weights.members),
    ),
}


def find_technique(name: str) -> Technique:
    """Gives a technique's row.

    Raises:
      ModelError: there is none; the nearest known one is named.
    """
    if name not in TECHNIQUES:
        raise ModelError(
            f"unknown technique {name!r}",
            expected=f"one of: {', '.join(TECHNIQUES)}",
            received=name,
            fix=did_you_mean(name, TECHNIQUES),
        )
    return TECHNIQUES[name]


def unsupported(weights: WeightsSpec, network: NetworkKind) -> str | None:
    """Says why a network cannot be given other weights, before any work starts.

    Args:
      weights: The technique and its settings.
      network: The candidate's network.

    Returns:
      One sentence, or None where nothing is known against it.
    """
    return find_technique(weights.weights).conflict(weights, network)
