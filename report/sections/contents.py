"""Images and texts in the report: samples, statistics, the worst errors, within a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from contracts.results.audit import ContentDetails, ContentSample, LabelErrors
from contracts.results.evidence import ErrorExample
from contracts.results.preview import Preview
from report.formats import count, number, percent
from report.sources import Sources

# All pictures of the page together: with all else it stays below 8 MB.
PICTURE_BYTES = 4_000_000
_LEFT_OUT = "left out: the page has too many pictures"


@dataclass
class PictureBudget:
    """How many bytes of pictures the page may still take.

    Attributes:
      left: How many.
    """

    left: int = PICTURE_BYTES

    def view(self, view: Preview) -> Preview:
        """The view, without its picture where there is no room for it."""
        size = len(view.png or "")
        if size > self.left:
            return view.model_copy(update={"png": None, "heat": None, "note": _LEFT_OUT})
        self.left -= size
        return view

    def views(self, views: Mapping[str, Preview]) -> dict[str, Preview]:
        """The same of several."""
        return {name: self.view(view) for name, view in views.items()}


@dataclass(frozen=True)
class ContentView:
    """One feature whose values are images or texts.

    Attributes:
      feature: Its name.
      head: The columns of the statistics.
      rows: By split, its figures.
      commonest: The commonest words of train, and how often they come.
      groups: By class, some rows.
    """

    feature: str
    head: list[str]
    rows: list[tuple[str, list[str]]]
    commonest: list[tuple[str, int]] = field(default_factory=list)
    groups: list[tuple[str, list[ContentSample]]] = field(default_factory=list)


def contents_of(sources: Sources, budget: PictureBudget) -> list[ContentView]:
    """The features whose values are no scalars; there may be none."""
    contents = (sources.audit.details.contents if sources.audit else None) or {}
    return [_content(feature, details, budget) for feature, details in contents.items()]


def errors_of(sources: Sources, budget: PictureBudget) -> list[ErrorExample]:
    """The candidate's worst errors on such features."""
    errors = sources.stress.errors if sources.stress else []
    return [error.model_copy(update={"views": budget.views(error.views)}) for error in errors]


def suspects_of(errors: LabelErrors, budget: PictureBudget) -> LabelErrors:
    """The suspects, with as many pictures as the page has room for."""
    suspects = [
        suspect.model_copy(update={"views": budget.views(suspect.views)})
        for suspect in errors.suspects
    ]
    return errors.model_copy(update={"suspects": suspects})


def _content(feature: str, details: ContentDetails, budget: PictureBudget) -> ContentView:
    samples = [
        sample.model_copy(update={"view": budget.view(sample.view)}) for sample in details.samples
    ]
    figures = {split: _figures(values) for split, values in details.statistics.items()}
    train = details.statistics.get("train", {})
    return ContentView(
        feature=feature,
        head=list(dict.fromkeys(name for of_split in figures.values() for name in of_split)),
        rows=[(split, list(of_split.values())) for split, of_split in figures.items()],
        commonest=[(str(word), int(times)) for word, times in train.get("commonest", [])],
        groups=[
            (label, list(group))
            for label, group in groupby(samples, key=lambda sample: sample.label)
        ],
    )


_WRITTEN: Mapping[str, tuple[str, Any]] = {
    "images": ("Images", count),
    "texts": ("Texts", count),
    "width": ("Width: least, median, most", lambda ends: ", ".join(map(count, ends))),
    "height": ("Height: least, median, most", lambda ends: ", ".join(map(count, ends))),
    "brightness": ("Mean brightness", number),
    "contrast": ("Mean contrast", number),
    "tokens": ("Words", count),
    "distinct": ("Distinct words", count),
    "length": ("Words a text: least, median, 95 %, most", lambda ends: ", ".join(map(count, ends))),
    "once": ("Of the distinct words, seen once", percent),
}


def _figures(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        title: write(values[name]) for name, (title, write) in _WRITTEN.items() if name in values
    }
