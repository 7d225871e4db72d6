"""The encoders of images: one module and one row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import BeforeValidator, Field

from models.encoders.images.cnn import CnnEncoder
from models.encoders.images.residual import ResidualEncoder

__all__ = ["CnnEncoder", "ImageEncoderSpec", "ResidualEncoder"]


def _with_kind(value: Any) -> Any:
    """A small convolutional network where no kind is given."""
    if isinstance(value, Mapping) and "kind" not in value:
        return {"kind": "cnn", **value}
    return value


ImageEncoderSpec = Annotated[
    Annotated[
        Union[CnnEncoder, ResidualEncoder],
        Field(discriminator="kind"),
    ],
    BeforeValidator(_with_kind),
]
