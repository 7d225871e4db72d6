"""What a person sees of an image or a text: a small picture, an excerpt, and what weighs in it."""

from __future__ import annotations

from contracts.results.files import SparseResult


class WeighedPart(SparseResult):
    """A part of a text, and what it adds to the score."""

    text: str
    weight: float


class HeatMap(SparseResult):
    """What the cells of an image add to the score, row by row."""

    weights: list[list[float]]


class Preview(SparseResult):
    """A small view of a value.

    Attributes:
      png: A picture, base64.
      width: Of the picture.
      height: Of the picture.
      text: An excerpt.
      note: What cannot be seen, such as why an image cannot be decoded.
      parts: The text in parts with weights, where it was explained.
      heat: The weights of an image's cells, where it was explained.
    """

    png: str | None = None
    width: int | None = None
    height: int | None = None
    text: str | None = None
    note: str | None = None
    parts: list[WeighedPart] | None = None
    heat: HeatMap | None = None
