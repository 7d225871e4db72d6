"""The encoders of windows: one module and one row each."""

from __future__ import annotations

from typing import Annotated, Union

from pydantic import Field

from models.encoders.windows.cnn import CnnEncoder
from models.encoders.windows.linear import LinearEncoder
from models.encoders.windows.recurrent import GruEncoder, LstmEncoder
from models.encoders.windows.transformer import TransformerEncoder

WindowEncoderSpec = Annotated[
    Union[LinearEncoder, CnnEncoder, LstmEncoder, GruEncoder, TransformerEncoder],
    Field(discriminator="kind"),
]
"""An encoder in the config."""
