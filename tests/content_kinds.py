"""Kinds of features that offer nothing but the content of images or texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.features.kind import FeatureKind
from models.features.ports import InputSpec
from models.stresses.images import IMAGE_STRESSES
from models.stresses.texts import TEXT_STRESSES


class _Bare(FeatureKind):
    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: Any) -> Any:
        raise NotImplementedError

    def value_port(self, name: str, learned: Any) -> InputSpec:
        raise NotImplementedError


class Picture(_Bare):
    """An image."""

    type: str = "tests.content_kinds:Picture"
    content_type = "models.content.images.content:ImageContent"
    stresses = IMAGE_STRESSES


class Note(_Bare):
    """A text."""

    type: str = "tests.content_kinds:Note"
    content_type = "models.content.texts.content:TextContent"
    stresses = TEXT_STRESSES
