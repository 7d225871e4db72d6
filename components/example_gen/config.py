"""The config of ExampleGen: where the raw data lie, which spans, how they are split."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.features import Task
from models.spec import Spec

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
    `columns` chronologically: the oldest rows train, the newest test.
    """

    by: Literal["row", "key", "stratified", "time"] = "row"
    columns: tuple[str, ...] = ()
    shares: SharesSpec = SharesSpec()

    @model_validator(mode="after")
    def _columns_fit(self) -> SplitSpec:
        if self.by == "key" and not self.columns:
            raise ValueError("split.by is 'key', and split.columns names no column")
        if self.by == "time" and len(self.columns) != 1:
            raise ValueError("split.by is 'time', and split.columns must name one column")
        if self.by in ("row", "stratified") and self.columns:
            raise ValueError(f"split.by is {self.by!r}, which takes no split.columns")
        return self


class DataSpec(Spec):
    """The raw data.

    `path` is a file, a folder or a glob, and may hold TFX's `{SPAN}` and `{VERSION}`;
    of several versions of a span the newest is taken. `spans` is `all`, one number, a
    range such as `3-8`, or `last 3`.
    """

    path: str = Field(min_length=1)
    format: Literal["auto", "csv", "parquet"] = "auto"
    spans: str = "all"
    delimiter: str = Field(",", min_length=1, max_length=1)
    null_values: tuple[str, ...] = ("", "NA", "NaN", "nan", "null")
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


class IngestSpec(Spec):
    """All that the ExampleGen component gets, as JSON.

    `columns` are the columns to write, in order; `numbers` are those of them whose values
    must be numbers or booleans; a numeric column of type text is an error.
    """

    path: str
    format: Literal["auto", "csv", "parquet"]
    spans: str
    delimiter: str
    null_values: tuple[str, ...]
    split: SplitSpec
    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    label: str
    task: Task
    where: str
