"""What a kind of feature whose values are no scalars brings: audit, embedding, previews.

A kind names it by `FeatureKind.content`; the data audit, the stress tests, `kelp explain` and
the report ask it, and know nothing of images or texts. Nothing here imports TensorFlow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from contracts.arrays import Array
from contracts.results.checked import Checked, judged
from contracts.results.preview import Preview
from models.content.config import ShareSpec

TRAIN = "train"
_SHOWN = 5


@dataclass(frozen=True)
class ContentSplits:
    """A feature's values in every split, as its audit gets them.

    Attributes:
      feature: The raw column.
      label: The label's name.
      classes: The label's classes; empty where it is a number.
      facts: By split, what `Content.scan` kept of the values.
      labels: By split, class ids (-1 where unknown) or numbers (NaN where unknown).
      name_row: Names a row by its split and its place among the facts.
      settings: The feature's keys in the config.
    """

    feature: str
    label: str
    classes: tuple[str, ...]
    facts: Mapping[str, Any]
    labels: Mapping[str, Array]
    name_row: Callable[[str, int], str]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def name_rows(self, split: str, places: Sequence[int] | Array) -> str:
        """Names the first rows of some."""
        named = [self.name_row(split, int(place)) for place in places[:_SHOWN]]
        more = len(places) - _SHOWN
        return ", ".join(named) + (f" and {more:,} more" if more > 0 else "")

    def share_check(
        self, check: str, split: str, bound: ShareSpec, places: Array, of: int, wording: Wording
    ) -> Checked:
        """Compares the share of some rows of a split with its bound.

        Args:
          check: The key under `data.audit`.
          split: Or two of them.
          bound: The bound.
          places: The rows, in the last of the splits.
          of: Of how many.
          wording: What is said of them.
        """
        share = len(places) / of if of else 0.0
        named = f": {self.name_rows(split.rpartition(', ')[2], places)}" if len(places) else ""
        return Checked(
            check=check,
            feature=self.feature,
            split=split,
            **judged(bound.severity, share, bound.max_share),
            what=f"{len(places):,} of {of:,} {wording.what}{named}.",
            expected=f"at most {bound.max_share:.2%} of them",
            received=f"{share:.2%}",
            fix=wording.fix,
        )

    def not_measured(self, check: str, bound: ShareSpec, reason: str) -> Checked:
        """Says that a check was not made, and why."""
        what = f"Not measured: {reason}."
        return Checked(check, self.feature, "all", bound.severity, None, None, "off", what)


@dataclass(frozen=True)
class Wording:
    """What a check says of the rows that it counts.

    Attributes:
      what: Follows their number.
      fix: What to do about them.
    """

    what: str
    fix: str


@dataclass(frozen=True)
class NearPairs:
    """Values of a later split that are nearly one of an earlier split.

    Attributes:
      earlier: Places in the earlier split.
      later: Places in the later split, each once.
    """

    earlier: Array
    later: Array


class Content(ABC):
    """Values that are read as a whole: images, texts.

    Attributes:
      audit_key: The key of their bounds under `data.audit`.
      keeps_values: Whether the audit keeps the values themselves, not only `scan`'s facts.
      strength: Of linear models on the embedding: the inverse of their penalty.
    """

    audit_key: ClassVar[str]
    keeps_values: ClassVar[bool]
    strength: ClassVar[float] = 1.0

    @abstractmethod
    def scan(self, values: pa.ChunkedArray) -> Any:
        """Keeps of some values what the audit needs; `join` joins such facts."""

    @abstractmethod
    def join(self, facts: Sequence[Any]) -> Any:
        """Joins the facts of batches."""

    @abstractmethod
    def digests(self, facts: Any) -> pa.ChunkedArray:
        """Plain values that are equal where the values are, and missing where they are."""

    @abstractmethod
    def take(self, facts: Any, places: Array) -> Any:
        """The facts of some rows."""

    @abstractmethod
    def audit(self, splits: ContentSplits, bounds: Any) -> list[Checked]:
        """Makes the checks that are not off.

        Args:
          splits: The facts and the labels.
          bounds: The config under `audit_key`.
        """

    @abstractmethod
    def embed(self, facts: Any) -> Any:
        """A cheap embedding of each row, `[rows, n]`, dense or sparse, for linear models."""

    @abstractmethod
    def preview(self, facts: Any, place: int) -> Preview:
        """A small picture or an excerpt of a row."""

    @abstractmethod
    def preview_value(self, value: Any, /) -> Preview:
        """A small picture or an excerpt of a raw value."""

    @abstractmethod
    def statistics(self, facts: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Figures of the values of a split, for the report.

        Args:
          facts: Of the rows.
          settings: The feature's keys in the config.
        """

    @abstractmethod
    def occlude(self, value: Any, /) -> Occlusion | None:
        """Covers the parts of a value one after the other; None where it has none."""


@dataclass(frozen=True)
class Occlusion:
    """A value with its parts covered, one at a time.

    Attributes:
      covered: The value without each part.
      show: From the weight of each part to the preview that shows them.
    """

    covered: list[Any]
    show: Callable[[Sequence[float]], Preview]
