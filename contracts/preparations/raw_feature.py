"""What every kind of preparation has: a raw column, its input, and what prepares it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from contracts.arrays import Array
from contracts.columns import RawInput, indicator_name
from contracts.names import serving_name

Preparer = Callable[[Mapping[str, Array]], dict[str, Array]]
"""From raw columns by input, `[rows, ...]`, to the features that it gives, `[rows, ...]`."""


class RawFeature(BaseModel):
    """How one raw column becomes a feature, as `artifact.json` has it.

    A kind is a subclass: it adds its constants, narrows `kind` and `raw`, and names its
    preparer. Nothing that a preparer needs beside numpy is imported before it is made.

    Attributes:
      column: The raw column.
      kind: The kind of preparation.
      raw: The raw column's type.
      missing_indicator: Whether a second feature says that the value is missing.
      preparer: The class of a `Preparer`: it is made of all features whose kinds name it, so
        that these are prepared together.
      is_steady: Whether the sizes of its values alone decide how long they take.
    """

    model_config = ConfigDict(frozen=True)

    preparer: ClassVar[type[Any]]
    is_steady: ClassVar[bool] = True

    column: str
    kind: str
    raw: Literal["int64", "float32", "string"]
    missing_indicator: bool = False

    @property
    def port(self) -> str:
        """The input's name: TensorFlow takes parameter names only, so a column's may differ."""
        return serving_name(self.column)

    @property
    def input(self) -> RawInput:
        """What the input takes: one value of the raw column's type for each row."""
        return RawInput(self.raw)

    @property
    def raw_inputs(self) -> dict[str, RawInput]:
        """By raw column, what its input takes."""
        return {self.column: self.input}

    @property
    def inputs(self) -> dict[str, RawInput]:
        """By input of the served model, what it takes."""
        return {serving_name(column): taken for column, taken in self.raw_inputs.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The features that it gives."""
        indicator = (indicator_name(self.column),) if self.missing_indicator else ()
        return (self.column, *indicator)

    @property
    def rules(self) -> tuple[str, ...]:
        """How the developer of an app prepares it, in words."""
        return ()

    @property
    def unknown_value(self) -> str | int | float | None:
        """A raw value that train never showed, where it is prepared in a way of its own."""
        return None
