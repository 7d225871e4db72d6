"""The base of serving's config models: frozen, and closed to unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A typed, frozen, validated part of the server's config."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
