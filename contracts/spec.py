"""The base of every config model: frozen, and closed to unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A typed, frozen, validated part of the config."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
