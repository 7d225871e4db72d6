"""What a kind of feature is: one class, whose fields are its keys in the config.

A kind says what its raw columns hold, how TF Transform turns them into features, and how
these enter a network. All else is optional: what a kind does not offer is reported as not
measured for this kind. Nothing here imports TensorFlow, and neither does a kind where it is
imported: its methods do, when they are called.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import pyarrow as pa

from contracts.columns import indicator_name
from contracts.spec import OpenChoice
from models.features.ports import InputSpec

if TYPE_CHECKING:
    from contracts.results.preview import Preview
    from models.content.kind import Content, Occlusion
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors

RawValues = Literal["numbers", "categories", "files", "text", "any"]
Profiled = Literal["booleans", "integers", "numbers", "text"]
ConfigKeys = dict[str, str | int | bool]
# Within the class, `type` is the key.
Kinds: TypeAlias = Sequence["type[FeatureKind]"]


@dataclass(frozen=True)
class ColumnProfile:
    """A column of unknown data, as `kelp init` shows it to each kind.

    Attributes:
      name: The column.
      values: Its values; at least two are distinct.
      kind: What they are.
      rows: How many rows were read.
      distinct: How many distinct values there are.
      low: The least number; NaN for text.
      high: The greatest number; NaN for text.
      names: The names of all columns.
    """

    name: str
    values: pa.Array
    kind: Profiled
    rows: int
    distinct: int
    low: float
    high: float
    names: tuple[str, ...]

    @property
    def present(self) -> int:
        """How many rows have a value."""
        return self.rows - int(self.values.null_count)


@dataclass(frozen=True)
class Recognition:
    """What a kind makes of a column.

    Attributes:
      keys: The feature's keys and values in the config.
      note: Why, for the comment.
    """

    keys: ConfigKeys
    note: str


class FeatureKind(OpenChoice):
    """One feature of some kind; subclass it to add a kind.

    Attributes:
      raw_values: What the raw columns must hold: numbers (or booleans), categories (text, or
        numbers that stand for something), text, files (their paths in the raw data, their bytes
        in examples and requests), or any.
      audit_checks: The checks of the data audit that apply beside those for every column;
        None where the column is not audited.
      stresses: The stresses that a raw column can be put under, and whether one that names no
        columns falls on it.
      content_type: The import path of its `models.content.kind.Content`, where the values are
        images, texts or the like.
      slice_key: Whether rows may be sliced by the raw columns.
      slice_figures: The names of what `figures` gives of a raw column: rows may be sliced by
        these.
      few_values: Whether the raw column has few values, so that `kelp init` slices by it.
      new_values: Whether values that train never showed are no anomaly.
    """

    type: str

    raw_values: ClassVar[RawValues] = "any"
    audit_checks: ClassVar[frozenset[str] | None] = None
    stresses: ClassVar[Mapping[str, bool]] = {}
    content_type: ClassVar[str] = ""
    slice_key: ClassVar[bool] = False
    slice_figures: ClassVar[tuple[str, ...]] = ()
    few_values: ClassVar[bool] = False
    new_values: ClassVar[bool] = False

    @classmethod
    def choices(cls) -> Kinds:
        """Kelp's own kinds."""
        from models.features.registry import KINDS

        return list(KINDS.values())

    def is_category(self, holds_text: bool) -> bool:
        """Whether a raw column is read as it is; one of any values is where it is text."""
        return holds_text if self.raw_values == "any" else self.raw_values != "numbers"

    @property
    def marks_missing(self) -> bool:
        """Whether a second feature says that the value is missing."""
        return bool(getattr(self, "missing_indicator", False))

    def raw_columns(self, name: str) -> tuple[str, ...]:
        """The raw columns that the feature is made of."""
        return (name,)

    def raw_size(self) -> int:
        """How many values a row of each raw column holds: 1, or the length of its lists."""
        return 1

    def user_code(self) -> dict[str, str]:
        """The import paths of what users have written for it, by key."""
        return {"type": self.type} if ":" in self.type else {}

    def outputs(self, name: str) -> tuple[str, ...]:
        """The names of what it becomes, one for each port."""
        return (name, indicator_name(name)) if self.marks_missing else (name,)

    @classmethod
    @abstractmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """Turns the raw columns of all features of the kind into what enters the network.

        Args:
          specs: The features of this kind, and of those that inherit this method.
          raw: All raw columns.

        Returns:
          Tensors by the names of `outputs`; missing indicators are added by the caller.
        """

    @abstractmethod
    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """How the transformed feature `name` enters a network."""

    def ports(self, name: str, learned: Learned) -> list[InputSpec]:
        """How what it becomes enters a network, in the order of `outputs`."""
        first = self.value_port(name, learned)
        others = self.outputs(name)[1:]
        return [first, *(InputSpec(other, "dense", 1) for other in others)]

    def preparation(self, name: str, learned: Learned) -> dict[str, Any] | None:
        """How numpy prepares the raw column as the transform does.

        Returns:
          `kind`, a preparation that servers know, and its constants; None where there is no
          such preparation: the feature cannot enter a TFLite or ONNX file.
        """
        return None

    @property
    def is_prepared(self) -> bool:
        """Whether the kind offers a preparation."""
        return type(self).preparation is not FeatureKind.preparation

    @classmethod
    def recognize(cls, column: ColumnProfile) -> Recognition | None:
        """The keys that `kelp init` writes for a column; None where it is of another kind."""
        return None

    @classmethod
    def content(cls) -> Content | None:
        """What is known of values that are no scalars: their audit, previews and parts."""
        if not cls.content_type:
            return None
        module, _, name = cls.content_type.partition(":")
        content: Content = getattr(import_module(module), name)()
        return content

    @classmethod
    def figures(cls, values: pa.ChunkedArray) -> dict[str, pa.Array]:
        """What rows may be sliced by, of values that are no scalars: see `slice_figures`."""
        return {}

    @classmethod
    def preview_value(cls, value: Any) -> Preview | None:
        """A small view of a raw value; None where the kind's values are scalars."""
        content = cls.content()
        return None if content is None else content.preview_value(value)

    @classmethod
    def occlude(cls, value: Any) -> Occlusion | None:
        """Covers the parts of a raw value one after the other; None where it has none."""
        content = cls.content()
        return None if content is None else content.occlude(value)

    def not_offered(self) -> tuple[str, ...]:
        """What is not measured for this kind."""
        offered = {
            "data audit": self.audit_checks is not None or bool(self.content_type),
            "stress": bool(self.stresses),
            "slices": self.slice_key or bool(self.slice_figures),
            "TFLite and ONNX variants": self.is_prepared,
        }
        return tuple(what for what, is_offered in offered.items() if not is_offered)
