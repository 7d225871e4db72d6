"""The kinds of features: those of Kelp, and any class that a config names by import path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny
from pydantic_core import PydanticKnownError

from models.features.boolean import BooleanSpec
from models.features.categorical import CategoricalSpec
from models.features.cyclic import CyclicSpec
from models.features.kind import FeatureKind
from models.features.numeric import NumericSpec
from models.features.vocabulary import VocabularySpec

KINDS: Mapping[str, type[FeatureKind]] = {
    "boolean": BooleanSpec,
    "cyclic": CyclicSpec,
    "categorical": CategoricalSpec,
    "vocabulary": VocabularySpec,
    "numeric": NumericSpec,
}
"""By `type` in the config; `kelp init` asks each about a column, in this order."""


def _to_kind(value: Any) -> Any:
    """Validates a feature by the class of its kind."""
    if isinstance(value, FeatureKind) or not isinstance(value, Mapping):
        return value
    if "type" not in value:
        raise PydanticKnownError("union_tag_not_found", {"discriminator": "'type'"})
    kind = KINDS.get(str(value["type"]))
    if kind is None:
        tags = {"tag": str(value["type"]), "expected_tags": ", ".join(map(repr, KINDS))}
        raise PydanticKnownError("union_tag_invalid", {"discriminator": "'type'", **tags})
    return kind.model_validate(value)


FeatureSpec = SerializeAsAny[Annotated[FeatureKind, BeforeValidator(_to_kind)]]
"""A feature in the config, of any kind."""
