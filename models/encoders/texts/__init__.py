"""Encoders of texts, one module each: from the ids of tokens to `[batch, width]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.encoders.texts.average import AverageSpec
from models.encoders.texts.cnn import TextCnnSpec
from models.encoders.texts.fine_tuned import BertSpec
from models.encoders.texts.recurrent import RecurrentSpec
from models.encoders.texts.transformer import TextTransformerSpec

TextEncoder = Annotated[
    AverageSpec | TextCnnSpec | RecurrentSpec | TextTransformerSpec | BertSpec,
    Field(discriminator="kind"),
]
"""An encoder of texts in the config, by its `kind`."""

__all__ = ["AverageSpec", "BertSpec", "TextEncoder"]
