"""How unknown raw files write what they hold: encoding, delimiter, numbers, dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen import kinds
from components.example_gen.config import DateSpec, IngestSpec
from components.example_gen.files import Selection
from components.example_gen.numbers import MARKS, NumberForm, likely_form
from components.example_gen.text_encoding import UTF8, likely_encoding
from contracts.errors import DataError
from models.data.dates import ISO, PARTS, likely_formats
from models.data.text import text_of
from pipelines.recognition.images import holds_images
from pipelines.recognition.sample import likely_delimiter

# What stands for a missing value in many published data sets, beside Kelp's defaults.
_NULL_WORDS = ("?", "NULL", "N/A", "n/a", "None", "none", "-", ".")
# Enough different values to tell one way of writing numbers from another.
_PROBE = 512
_EUROPEAN = ";"


@dataclass(frozen=True)
class FormatGuess:
    """What a key of `data` was set to, and why."""

    key: str
    reason: str


def guess_text(spec: IngestSpec, selection: Selection) -> tuple[IngestSpec, list[FormatGuess]]:
    """Finds out encoding and delimiter, before anything can be read.

    Raises:
      DataError: The files are of different encodings.
    """
    if selection.format != "csv":
        return spec, []
    encodings = [likely_encoding(source.path) for source in selection.sources]
    first = encodings[0]
    for source, encoding in zip(selection.sources, encodings, strict=True):
        if encoding.name != first.name:
            raise DataError(
                "the files are of different encodings",
                where=source.path,
                expected=f"{first.name}, as {selection.sources[0].path} is",
                received=f"{encoding.name}, by {encoding.reason or 'its bytes'}",
                fix="save all of them as UTF-8",
            )
    delimiter = likely_delimiter(selection, first.name)
    guesses = []
    if first.name != UTF8:
        guesses.append(FormatGuess("encoding", f"{first.name}: {first.reason}"))
    if delimiter != spec.delimiter:
        guesses.append(FormatGuess("delimiter", f"{delimiter!r}: most often in the first line"))
    return spec.model_copy(update={"encoding": first.name, "delimiter": delimiter}), guesses


def guess_values(
    table: pa.Table, label: str, spec: IngestSpec, selection: Selection
) -> tuple[IngestSpec, list[FormatGuess]]:
    """Finds out how numbers, missing numbers and dates are written.

    Args:
      table: The first rows of all files: text where they are CSV.
      label: The label, which is never taken for a date.
      spec: What is known so far.
      selection: The files.
    """
    guesses: list[FormatGuess] = []
    changes: dict[str, object] = {}
    if selection.format == "csv":
        words = {name: _words(table[name]) for name in table.column_names}
        forms, guesses = _numbers(words, spec.delimiter)
        changes = {
            "decimal": next((form.decimal for form in forms.values()), spec.decimal),
            "thousands": next((form.thousands for form in forms.values()), spec.thousands),
            "units": {name: form.unit for name, form in forms.items() if form.unit},
        }
        nulls = _extra_nulls(table, spec.model_copy(update=changes))
        if nulls:
            changes["null_values"] = (*spec.null_values, *nulls)
            shown = ", ".join(map(repr, nulls))
            guesses.append(FormatGuess("null_values", f"{shown}: seen among numbers"))
    dates, reasons = _dates(table, label, str(changes.get("decimal", spec.decimal)))
    changes["dates"] = dates
    return spec.model_copy(update=changes), guesses + reasons


def _words(column: pa.ChunkedArray) -> pa.Array:
    """The different values, those left out that may stand for a missing number."""
    words = column.unique().drop_null()
    return words.filter(pc.invert(pc.is_in(words, value_set=pa.array(_NULL_WORDS))))


def _numbers(
    words: Mapping[str, pa.Array], delimiter: str
) -> tuple[dict[str, NumberForm], list[FormatGuess]]:
    """The forms of the columns that are not plain, all with the same marks."""
    # Where commas cannot separate fields, they more likely are decimal marks.
    order = sorted(MARKS, key=lambda marks: (marks != (".", ""), marks[0] == "."))
    order = order if delimiter == _EUROPEAN else list(MARKS)
    probes = {name: column[:_PROBE] for name, column in words.items()}
    marks = max(order, key=lambda one: len(_fitting(probes, one)))
    plain, fitting = _fitting(words, order[0]), _fitting(words, marks)
    if marks != order[0] and len(fitting) <= len(plain):
        marks, fitting = order[0], plain
    guesses = []
    if marks != order[0]:
        changed = [name for name in fitting if name not in plain]
        changed += [name for name in plain if name not in fitting]
        example = next((one for name in fitting for one in _marked(words[name], marks)), "")
        thousands = f", thousands {marks[1]!r}" if marks[1] else ""
        shown = f"{marks[0]!r}{thousands}, as in {example!r}"
        guesses.append(FormatGuess("decimal", shown))
    units = {name: form for name, form in fitting.items() if form.unit}
    guesses += [
        FormatGuess(f"units.{name}", f"{form.unit!r}: beside each number")
        for name, form in units.items()
    ]
    return (fitting if marks != order[0] else units), guesses


def _fitting(words: Mapping[str, pa.Array], marks: tuple[str, str]) -> dict[str, NumberForm]:
    """The forms of the columns that can be read as numbers with these marks."""
    forms = {name: likely_form(column, [marks]) for name, column in words.items()}
    return {name: form for name, form in forms.items() if form is not None}


def _marked(words: pa.Array, marks: tuple[str, str]) -> list[str]:
    """A value that shows the marks."""
    shows = pc.match_substring(words, marks[1] or marks[0])
    return [words.filter(shows)[0].as_py()] if pc.any(shows).as_py() else []


def _extra_nulls(table: pa.Table, spec: IngestSpec) -> tuple[str, ...]:
    """The words without which text would be numbers."""
    extra: set[str] = set()
    for name in table.column_names:
        words, form = table[name].unique().drop_null(), spec.number_form(name)
        rest = _words(table[name])
        if not len(rest) or len(rest) == len(words):
            continue
        if kinds.kind_of_text(rest, form=form) != kinds.TEXT:
            extra |= set(words.to_pylist()) - set(rest.to_pylist())
    return tuple(sorted(extra))


def _dates(
    table: pa.Table, label: str, decimal: str
) -> tuple[dict[str, DateSpec], list[FormatGuess]]:
    dates, guesses = {}, []
    for name in table.column_names:
        kind = table.schema.field(name).type
        if name == label or holds_images(table[name].combine_chunks()):
            continue
        if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            dates[name] = DateSpec()
        elif kinds.kind_of_type(kind) == kinds.TEXT:
            formats = likely_formats(text_of(table[name].combine_chunks()))
            if formats:
                chosen, reason = _choose(formats, decimal)
                dates[name] = DateSpec(format=chosen)
                guesses.append(FormatGuess(f"dates.{name}", f"{chosen}: {reason}"))
    return dates, guesses


def _choose(formats: Sequence[str], decimal: str) -> tuple[str, str]:
    """One of the forms that fit, and what is to be said about it."""
    day_first = [form for form in formats if form.startswith("%d")]
    chosen = day_first[0] if decimal == "," and day_first else formats[0]
    others = [form for form in formats if form != chosen and set(form) == set(chosen)]
    if chosen == ISO or not others:
        return chosen, "every value fits"
    return chosen, f"every value fits, but {others[0]} fits as well: see which is meant"


def with_parts(
    dates: Mapping[str, DateSpec], parts: Mapping[str, Sequence[str]]
) -> dict[str, DateSpec]:
    """The dates with those of their parts that became features."""
    return {
        name: DateSpec.model_validate(
            {"format": date.format, "parts": [one for one in PARTS if one in parts.get(name, ())]}
        )
        for name, date in dates.items()
    }
