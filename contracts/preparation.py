"""Raw columns to a model file's inputs: what a SavedModel's transform graph does, in numpy.

The constants come from `artifact.json`. What each kind of feature needs is a module of
`contracts.preparations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from contracts.arrays import Array
from contracts.preparations.raw_feature import Preparer, RawFeature
from contracts.preparations.table import PreparedFeature


class Preparation(BaseModel):
    """How raw columns become features, in the config's order."""

    model_config = ConfigDict(frozen=True)

    features: tuple[PreparedFeature, ...]

    @property
    def names(self) -> frozenset[str]:
        """The features that it gives."""
        return frozenset(name for feature in self.features for name in feature.names)


class RowPreparation:
    """Prepares columns as the transform graph does.

    Args:
      preparation: How each raw column becomes a feature.
    """

    def __init__(self, preparation: Preparation) -> None:
        groups: dict[Any, list[RawFeature]] = {}
        for feature in preparation.features:
            groups.setdefault(type(feature).preparer, []).append(feature)
        self._preparers: list[Preparer] = [make(features) for make, features in groups.items()]

    def __call__(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Gives the transformed features, float32 `[rows, ...]` or ids int64 `[rows, ...]`.

        Args:
          columns: By input, `[rows, ...]`: float32 with NaN for what is missing, int64, or an
            object array of bytes.
        """
        features: dict[str, Array] = {}
        for prepare in self._preparers:
            features |= prepare(columns)
        return features
