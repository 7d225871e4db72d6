"""Reads what a run left behind; whatever is not there stays None."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.files import read_json
from contracts.results.audit import FINDINGS_FILE, AuditReport, DataFinding, read_findings
from contracts.results.baselines import BaselineReport
from contracts.results.evidence import Evidence, FoldMetrics, StressResult
from contracts.results.files import ResultError, ResultFile, read_result
from contracts.results.gates import GateReport
from contracts.results.summary import Summary
from contracts.results.training import TrainingReport
from contracts.results.variant import PushParity
from contracts.storage.location import is_remote
from contracts.storage.staging import local_place, stage_if_there

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

CONFIG_TEXT = "config.yaml"
CONFIG_FILE = "config.json"


def _result(key: str, component: str, kind: type[ResultFile]) -> tuple[str, str, str, Reader]:
    return key, component, kind.FILE, functools.partial(read_result, kind=kind)


Reader = Callable[[Path], Any]
# By field of `Sources`: the key of the folder, the component, its file, and what reads it.
_FILES: Mapping[str, tuple[str, str, str, Reader]] = {
    "evidence": _result("evidence", "ModelGate", Evidence),
    "gates": _result("evidence", "ModelGate", GateReport),
    "findings": ("data_verdict", "DataGate", FINDINGS_FILE, read_findings),
    "audit": _result("data_verdict", "DataGate", AuditReport),
    "training": _result("model_run", "Trainer", TrainingReport),
    "baselines": _result("baselines", "BaselineModels", BaselineReport),
    "stress": _result("stress", "Stress", StressResult),
    "folds": _result("folds", "CrossValidation", FoldMetrics),
    "parity": _result("pushed", "Pusher", PushParity),
}
_SPLIT_ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class Sources:
    """A run's own records; a file that is not there or cannot be read is None.

    Attributes:
      summary: The run's summary.
      statistics: By split, TFDV's statistics.
      config: The config's text.
      card: What the config says of the model in words.
      folders: By key, the artifacts' folders that are there.
      broken: By field, what is wrong with a file that is there and cannot be read.
    """

    summary: Summary
    evidence: Evidence | None = None
    gates: GateReport | None = None
    findings: list[DataFinding] | None = None
    audit: AuditReport | None = None
    training: TrainingReport | None = None
    baselines: BaselineReport | None = None
    stress: StressResult | None = None
    folds: FoldMetrics | None = None
    parity: PushParity | None = None
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatistics] = field(default_factory=dict)
    config: str = ""
    card: Mapping[str, str | None] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    def why_not(self, name: str, otherwise: str = "") -> str:
        """Why a part of the report that needs a file is missing.

        Args:
          name: The field of the file.
          otherwise: The reason where the run did not stop before and the file is there.
        """
        component, file = _maker_of(name)
        if name in self.broken:
            return f"Not readable: {file} of {component}: {self.broken[name]}."
        if getattr(self, name) not in (None, {}):
            return otherwise or f"Not measured: {component} measured nothing."
        stopped = self.stopped_at()
        if stopped and component not in self.summary.seconds:
            before = "" if stopped == component else f", before {component} was done"
            return f"Not measured: the run stopped at {stopped}{before}."
        return f"Not recorded: this run has no {file} of {component}."

    def stopped_at(self) -> str:
        """The component at which the run stopped; empty for a run that succeeded."""
        if self.summary.status == "succeeded":
            return ""
        return self.summary.stopped_at or "Setup"


def _maker_of(name: str) -> tuple[str, str]:
    """The component that makes a file, and the file's name."""
    if name == "statistics":
        return "StatisticsGen", "FeatureStats.pb"
    _, component, file, _ = _FILES[name]
    return component, file


def read_sources(
    folder: Path, summary: Summary, folders: Mapping[str, Path] | Mapping[str, str]
) -> Sources:
    """Reads the files of a run.

    Args:
      folder: The run folder.
      summary: Its summary.
      folders: By key (evidence, data_verdict, model_run, statistics, baselines, stress,
        folds, pushed), the folder of the artifact; a failed run has fewer.
    """
    there = _local_folders(folders)
    files: dict[str, Any] = {}
    broken: dict[str, str] = {}

    for name, (key, _, file, read) in _FILES.items():
        if key in there and (there[key] / file).is_file():
            try:
                files[name] = read(there[key])
            except ResultError as error:
                broken[name] = f"{error.what} (expected {error.expected}, got {error.received})"
    if "training" not in files:
        files["training"] = summary.training
    statistics, wrong = _statistics(there.get("statistics"))
    if wrong:
        broken["statistics"] = wrong
    text, resolved = folder / CONFIG_TEXT, folder / CONFIG_FILE
    return Sources(
        summary=summary,
        statistics=statistics,
        config=text.read_text(encoding="utf-8", errors="replace") if text.is_file() else "",
        card=(read_json(resolved).get("card") or {}) if resolved.is_file() else {},
        folders=there,
        broken=broken,
        **files,
    )


def _local_folders(folders: Mapping[str, Path] | Mapping[str, str]) -> dict[str, Path]:
    """The folders that are there; of those in a bucket, a copy of what is read here."""
    read = {key for key, *_ in _FILES.values()} | {"statistics", "schema"}
    there = {key: local_place(path) for key, path in folders.items()}
    there |= {
        key: staged
        for key, path in folders.items()
        if key in read and (staged := stage_if_there(path)) is not None
    }
    return {key: path for key, path in there.items() if path.is_dir() or is_remote(folders[key])}


def error_fields(lines: list[str] | None) -> list[tuple[str, str]]:
    """The fields of an error as KelpError.lines wrote them."""
    parts = (line.partition(":") for line in lines or [])
    return [(name.strip(), text.strip()) for name, _, text in parts]


def _statistics(
    folder: Path | None,
) -> tuple[dict[str, statistics_pb2.DatasetFeatureStatistics], str]:
    """By split, its statistics; and what is wrong with a file that cannot be read."""
    if folder is None:
        return {}, ""
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0 import statistics_pb2 as pb

    found, wrong = {}, ""
    for path in sorted(folder.glob("Split-*/FeatureStats.pb")):
        try:
            content = pb.DatasetFeatureStatisticsList.FromString(path.read_bytes())
        except (OSError, DecodeError) as error:
            wrong = f"{path.parent.name}: {error}"
            continue
        if content.datasets:
            found[path.parent.name.removeprefix("Split-")] = content.datasets[0]
    # The files come by name, which orders the splits that have no place of their own.
    order = [split for split in _SPLIT_ORDER if split in found]
    return {split: found[split] for split in dict.fromkeys([*order, *found])}, wrong
