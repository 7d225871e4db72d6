"""The config of ExampleGen: where the raw data lie, which spans, how they are split."""

from __future__ import annotations

import codecs
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from components.example_gen.numbers import NumberForm
from components.example_gen.series.spec import SeriesSpec
from contracts.spec import Spec
from contracts.storage.location import Place
from models.data.dates import ISO, check_form
from models.data.fold_rule import FoldRule
from models.features.spec import Task

SPLITS = ("train", "val", "test")
_SPANS = re.compile(r"all|\d+|\d+-\d+|last \d+")


class SharesSpec(Spec):
    """The share of rows of each split; they add up to 1."""

    train: float = Field(0.8, ge=0, le=1)
    val: float = Field(0.1, ge=0, le=1)
    test: float = Field(0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> SharesSpec:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares add up to {total:g}, not 1")
        return self


class SplitSpec(Spec):
    """How rows are split: the same row always lands in the same split.

    `row` hashes the whole row, `key` hashes `columns` (rows of one key or group stay
    together), `stratified` keeps the label's proportions, `time` cuts the one column in
    `columns` chronologically: the oldest rows train, the newest test. `column` reads the split
    from the one column in `columns`: `train`, `val` or `test`. Rows of `train` are divided
    between train and val by the hash of the row, in the proportion of their two shares.
    Another `seed` gives another split, wherever hashes decide.
    """

    by: Literal["row", "key", "stratified", "time", "column"] = "row"
    columns: tuple[str, ...] = ()
    shares: SharesSpec = SharesSpec()
    seed: int = Field(0, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _columns_fit(self) -> SplitSpec:
        if self.by == "key" and not self.columns:
            raise ValueError("split.by is 'key', and split.columns names no column")
        if self.by in ("time", "column") and len(self.columns) != 1:
            raise ValueError(f"split.by is {self.by!r}, and split.columns must name one column")
        if self.by == "column" and not self.shares.train:
            raise ValueError("split.by is 'column', and split.shares.train is 0")
        if self.by in ("row", "stratified") and self.columns:
            raise ValueError(f"split.by is {self.by!r}, which takes no split.columns")
        if self.by == "time" and self.seed:
            raise ValueError("split.by is 'time', which takes no split.seed: time alone decides")
        return self

    def fold_rule(self) -> FoldRule:
        """What folds of train keep together; where a column names the split, rows stand alone."""
        if self.by == "column":
            return FoldRule()
        return FoldRule(by=self.by, columns=self.columns)


class DateSpec(Spec):
    """A column of dates or times.

    `format` is `iso`, or how the text is written, such as `%d.%m.%Y %H:%M`; a typed column of
    Parquet needs none. Each of `parts` becomes a column of numbers, `<column>_<part>`:
    months from 1 to 12, weekdays from 1 (Monday) to 7, weekends 1 and other days 0, hours from
    0 to 23, days since 1970-01-01.
    """

    format: str = ISO
    parts: tuple[
        Literal[
            "year", "month", "day", "day_of_year", "weekday", "weekend", "hour", "minute", "days"
        ],
        ...,
    ] = ()

    @field_validator("format")
    @classmethod
    def _readable(cls, value: str) -> str:
        check_form(value)
        return value


class RawFormat(Spec):
    """How raw files write what they hold. Parquet is typed: only `dates` matters to it.

    `decimal` and `thousands` hold for every number of every column. `units` names what stands
    before or after the numbers of a column, such as `€` or `%`: it is taken off, so 5 % is 5.
    With `series`, the table has a row for each step, and the rows of the examples are windows.
    """

    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = ""
    units: dict[str, str] = {}
    dates: dict[str, DateSpec] = {}
    null_values: tuple[str, ...] = ("", "NA", "NaN", "nan", "null")
    series: SeriesSpec | None = None

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            known = codecs.lookup(value)
            "".encode(value)  # refuses what is no encoding of text, such as base64
        except LookupError as error:
            raise ValueError(
                f"{value!r} is no encoding: utf-8, cp1252, utf-16, or another that Python knows"
            ) from error
        return known.name

    @field_validator("units")
    @classmethod
    def _plain_units(cls, units: dict[str, str]) -> dict[str, str]:
        for name, unit in units.items():
            if not unit.strip() or re.search(r"[\d+\-.,]", unit) or unit.strip() != unit:
                raise ValueError(
                    f"the unit of {name!r} is {unit!r}: expected a word or a sign such as '€', "
                    "without digits, signs, points, commas or blanks around it"
                )
        return units

    @model_validator(mode="after")
    def _marks_differ(self) -> RawFormat:
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both {self.decimal!r}")
        sources: dict[str, str] = {}
        for name, date in self.dates.items():
            for part in date.parts:
                other = sources.setdefault(f"{name}_{part}", name)
                if other != name:
                    raise ValueError(f"dates: {other!r} and {name!r} both give '{name}_{part}'")
        return self

    def number_form(self, column: str) -> NumberForm | None:
        """How the numbers of a column are written; None where Arrow reads them by itself."""
        form = NumberForm(self.decimal, self.thousands, self.units.get(column, ""))
        return None if form.is_plain else form

    def calendar(self) -> dict[str, tuple[str, str]]:
        """By the name of each column that is derived from a date: that date, and the part."""
        return {
            f"{name}_{part}": (name, part)
            for name, date in self.dates.items()
            for part in date.parts
        }

    def raw_format(self) -> RawFormat:
        """Only the format, of what has more keys."""
        return RawFormat(**{name: getattr(self, name) for name in RawFormat.model_fields})


class DataSpec(RawFormat):
    """The raw data.

    `path` is a file, a folder or a glob, local or in a bucket (`s3://`, `gs://`), and may
    hold TFX's `{SPAN}` and `{VERSION}`; of several versions of a span the newest is taken. A
    folder without tables may have a folder of images for each class.
    `spans` is `all`, one number, a range such as `3-8`, or `last 3`.
    """

    path: Place
    format: Literal["auto", "csv", "parquet", "images"] = "auto"
    spans: str = "all"
    split: SplitSpec = SplitSpec()
    keep: tuple[str, ...] = ()
    schema_path: str | None = Field(None, alias="schema")

    @field_validator("spans", mode="before")
    @classmethod
    def _known_spans(cls, value: object) -> str:
        text = str(value)
        if not _SPANS.fullmatch(text):
            raise ValueError(f"{text!r} is none of: all, 5, 3-8, last 3")
        return text


class IngestSpec(RawFormat):
    """All that the ExampleGen component gets, as JSON.

    `columns` are the columns to write, in order; `numbers` are those of them whose values
    must be numbers or booleans; a numeric column of type text is an error. `lists` are those of
    `columns` whose rows hold lists of numbers, with the length of these. `files` are those
    that hold files, as paths or as bytes. With `series`, all of them are columns of the windows.
    `kept` are those of `columns` that are written for the reader alone: rows that differ in them
    only go to one split. `paths` are those of `files` whose paths are among them, see
    `path_columns`.
    """

    path: str
    format: Literal["auto", "csv", "parquet", "images"]
    spans: str
    split: SplitSpec
    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    lists: dict[str, int] = {}
    files: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    label: str
    task: Task
    where: str

    def path_columns(self) -> dict[str, str]:
        """By each column of paths to write, the column of files that these are of."""
        return {path_column(name): name for name in self.paths}


def path_column(name: str) -> str:
    """The column in the examples that holds the paths of a column of files."""
    return f"{name}_path"
