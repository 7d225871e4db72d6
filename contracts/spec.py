"""The base of every config model: frozen, and closed to unknown keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A typed, frozen, validated part of the config."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class OpenChoice(Spec, ABC):
    """A spec that stands in the config for any of its subclasses, by their `type`."""

    @classmethod
    @abstractmethod
    def choices(cls) -> Sequence[type[BaseModel]]:
        """The subclasses that a config may name without an import path."""
