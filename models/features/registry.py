"""The kinds of features: those of Kelp, and any class that a config names by import path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny
from pydantic_core import PydanticKnownError

from contracts.errors import ConfigError
from models.features.boolean import BooleanSpec
from models.features.categorical import CategoricalSpec
from models.features.cyclic import CyclicSpec
from models.features.image import ImageSpec
from models.features.kind import FeatureKind
from models.features.numeric import NumericSpec
from models.features.python import PythonSpec
from models.features.text import TextSpec
from models.features.vocabulary import VocabularySpec
from models.features.window import WindowSpec
from models.user_code import load_function

KINDS: Mapping[str, type[FeatureKind]] = {
    "boolean": BooleanSpec,
    "cyclic": CyclicSpec,
    "text": TextSpec,
    "categorical": CategoricalSpec,
    "vocabulary": VocabularySpec,
    "numeric": NumericSpec,
    "image": ImageSpec,
    "python": PythonSpec,
    "window": WindowSpec,
}
"""By `type` in the config; `kelp init` asks each about a column, in this order."""


def kind_of(name: str) -> type[FeatureKind] | None:
    """The kind that `type` names, or None where there is no such kind.

    Args:
      name: A key of `KINDS`, or `package.module:Class` for a kind of the user's own.

    Raises:
      ConfigError: the import path names no kind of feature.
    """
    if ":" not in name:
        return KINDS.get(name)
    kind: Any = load_function(name)
    if not (isinstance(kind, type) and issubclass(kind, FeatureKind)):
        raise ConfigError(
            f"{name} is no kind of feature",
            where=name,
            expected="a subclass of models.features.kind.FeatureKind",
            received=repr(kind),
        )
    return kind


def _to_kind(value: Any) -> Any:
    """Validates a feature by the class of its kind."""
    if isinstance(value, FeatureKind) or not isinstance(value, Mapping):
        return value
    if "type" not in value:
        raise PydanticKnownError("union_tag_not_found", {"discriminator": "'type'"})
    kind = kind_of(str(value["type"]))
    if kind is None:
        tags = {"tag": str(value["type"]), "expected_tags": ", ".join(map(repr, KINDS))}
        raise PydanticKnownError("union_tag_invalid", {"discriminator": "'type'", **tags})
    return kind.model_validate(value)


FeatureSpec = SerializeAsAny[Annotated[FeatureKind, BeforeValidator(_to_kind)]]
"""A feature in the config, of any kind."""
