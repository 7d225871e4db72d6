"""`audit.json` and `findings.json`: what the data gate measured, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from contracts.files import write_json
from contracts.results.evidence import Cell, Severity
from contracts.results.files import Result, ResultFile, SparseResult, read_content, validated
from contracts.results.preview import Preview
from contracts.results.sample import SampledRows


class DataFinding(Result):
    """One thing about the data that somebody should know.

    `kind` says what an example row of it looks like: a `missing` value, a value `unknown`
    to the domain, or neither (`other`). `check` names the test that found it, `figure` and
    `bound` are that test's number and the one that it must not pass; `fix` is what to do.
    """

    severity: Literal["block", "warn"]
    feature: str
    split: str
    what: str
    expected: str = ""
    received: str = ""
    kind: Literal["missing", "unknown", "other"] = "other"
    example: str = ""
    check: str = "schema"
    figure: int | float | None = None
    bound: int | float | None = None
    fix: str = ""


class AuditCheck(Result):
    """One figure checked against its bound."""

    check: str
    feature: str
    split: str
    severity: Severity
    figure: int | float | None
    bound: int | float | None
    outcome: Literal["pass", "block", "warn", "off"]
    what: str


class FeaturePower(Result):
    """How well one feature alone predicts the label."""

    feature: str
    power: float


class ContentSample(Result):
    """A row of a feature whose values are no scalars, as a person sees it."""

    label: str
    row: int
    split: str
    view: Preview


class ContentDetails(Result):
    """What a feature holds whose values are no scalars: figures by split, and some rows."""

    kind: str
    statistics: dict[str, dict[str, Any]]
    samples: list[ContentSample]


class Suspect(Result):
    """A row whose label looks wrong.

    Attributes:
      row: Its place in its split, from 0.
      files: Those that the row came from, where the examples know them.
      views: Its images and the like, by feature.
    """

    row: int
    split: str
    label: Cell
    probability: float | None
    expected: Cell
    values: dict[str, Any]
    files: list[str] = []
    views: dict[str, Preview] = {}


class LabelErrors(Result):
    """The estimated share of wrong labels, and the most suspect rows."""

    share: float | None
    low: float | None
    high: float | None
    suspects: list[Suspect]


class Shift(Result):
    """How far apart a feature lies in two splits or spans, and the limits of that."""

    start: str = Field(alias="from")
    end: str = Field(alias="to")
    feature: str
    kind: str
    measure: str
    distance: float
    chance: float
    usual: float | None
    bound: float
    shifted: bool

    @property
    def limit(self) -> float:
        """What the distance must exceed to be a shift."""
        return max(self.bound, self.chance, self.usual or 0.0)

    @property
    def of_limit(self) -> float | None:
        """The distance as a share of its limit."""
        return self.distance / self.limit if self.limit else None


class AuditDetails(SparseResult):
    """What a check shows beside its figures; None where it was off or does not apply."""

    leakage: list[FeaturePower] | None = None
    label_errors: LabelErrors | None = None
    shift: list[Shift] | None = None
    balance: dict[str, Any] | None = None
    contradictions: dict[str, Any] | None = None
    duplicates: dict[str, Any] | None = None
    features: list[dict[str, Any]] | None = None
    missing: dict[str, Any] | None = None
    overlap: dict[str, Any] | None = None
    contents: dict[str, ContentDetails] | None = None


class AuditReport(ResultFile):
    """Every check, and the details of some."""

    FILE: ClassVar[str] = "audit.json"

    version: Literal[1] = 1
    checks: list[AuditCheck]
    details: AuditDetails
    sampled: list[SampledRows] = []


FINDINGS_FILE = "findings.json"
_FINDINGS = TypeAdapter(list[DataFinding])


def write_findings(folder: Path, findings: Sequence[DataFinding]) -> None:
    """Writes `findings.json`: a plain list, without a version."""
    write_json(folder / FINDINGS_FILE, _FINDINGS.dump_python(list(findings), mode="json"))


def read_findings(folder: Path) -> list[DataFinding]:
    """Reads `findings.json`.

    Raises:
      ResultError: The file is missing or broken.
    """
    path = folder / FINDINGS_FILE
    return validated(_FINDINGS, read_content(path), FINDINGS_FILE, str(path))
