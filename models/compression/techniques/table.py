"""The techniques that give a trained network other weights: one module and one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.errors import ModelError
from contracts.text import did_you_mean
from models.compression.spec import (
    ClusteredSpec,
    DistilledSpec,
    PrunedSpec,
    QatSpec,
    VariantSpec,
)
from models.networks.spec import CnnSpec, NetworkSpec, PythonSpec

_SMALLEST_BLOCK = 4  # of weights, two of which a 2:4 pattern keeps


def _no_conflict(weights: Any, network: NetworkSpec) -> str | None:
    del weights, network
    return None


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
    conflict: Callable[[Any, NetworkSpec], str | None] = _no_conflict


def _legacy_conflict(
    weights: PrunedSpec | ClusteredSpec | QatSpec, network: NetworkSpec
) -> str | None:
    if not isinstance(network, PythonSpec):
        return None
    return (
        f"{weights.weights} weights need a network that tf_keras can build: your function builds "
        "it under Keras 3, so its formats can be changed and its weights cannot"
    )


def _pruning_conflict(weights: PrunedSpec, network: NetworkSpec) -> str | None:
    if isinstance(network, PythonSpec) or weights.pattern != "2:4":
        return _legacy_conflict(weights, network)
    widths = (*network.units, *(network.filters if isinstance(network, CnnSpec) else ()))
    odd = [width for width in widths if width % _SMALLEST_BLOCK]
    if not odd:
        return None
    return f"2:4 needs layers in blocks of {_SMALLEST_BLOCK}, and one is {odd[0]} wide"


def _distillation_conflict(weights: DistilledSpec, network: NetworkSpec) -> str | None:
    if isinstance(network, PythonSpec):
        return "a student is a narrower network, and only our own kinds can be made narrower"
    small = [units for units in network.units if round(units * weights.scale) < 1]
    if not small:
        return None
    return f"a layer of {small[0]} units has nothing left at scale {weights.scale:g}"


TECHNIQUES: dict[str, Technique] = {
    "none": Technique("models.compression.techniques.original:keep_weights"),
    "pruned": Technique("models.compression.techniques.pruning:prune", _pruning_conflict),
    "clustered": Technique("models.compression.techniques.clustering:cluster", _legacy_conflict),
    "qat": Technique("models.compression.techniques.qat:train_aware", _legacy_conflict),
    "distilled": Technique(
        "models.compression.techniques.distillation:distil", _distillation_conflict
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


def unsupported(variant: VariantSpec, network: NetworkSpec) -> str | None:
    """Says why a variant cannot be made of a network, before any work starts.

    Args:
      variant: The variant.
      network: The candidate's network.

    Returns:
      One sentence, or None where nothing is known against it.
    """
    return find_technique(variant.weights.weights).conflict(variant.weights, network)
