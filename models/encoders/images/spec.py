"""The encoders of images: one module and one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import BeforeValidator, Field

from models.encoders.images.backbone import BackboneEncoder
from models.encoders.images.cnn import CnnEncoder
from models.encoders.images.residual import ResidualEncoder

__all__ = ["BackboneEncoder", "CnnEncoder", "ImageEncoderSpec", "ResidualEncoder"]


def _with_kind(value: Any) -> Any:
    """A backbone where one is named, or else a small convolutional network."""
    if isinstance(value, Mapping) and "kind" not in value:
        return {"kind": "backbone" if "backbone" in value else "cnn", **value}
    return value


ImageEncoderSpec = Annotated[
    Annotated[
        Union[CnnEncoder, ResidualEncoder, BackboneEncoder],
        Field(discriminator="kind"),
    ],
    BeforeValidator(_with_kind),
]
