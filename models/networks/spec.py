"""The config of every network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.spec import Spec


class MlpSpec(Spec):
    """A multi-layer perceptron over dense features and embeddings."""

    kind: Literal["mlp"] = "mlp"
    units: tuple[int, ...] = Field((256, 128), min_length=1)
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    batch_norm: bool = True
    dropout: float = Field(0.1, ge=0, lt=1)
    l1: float = Field(0.0, ge=0)
    l2: float = Field(0.0, ge=0)
