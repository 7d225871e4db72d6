"""Reads what a run left behind; whatever is not there stays None."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

CONFIG_TEXT = "config.yaml"
CONFIG_FILE = "config.json"
_FILES = {
    "evidence": ("evidence", "evidence.json"),
    "gates": ("evidence", "gates.json"),
    "findings": ("data_verdict", "findings.json"),
    "audit": ("data_verdict", "audit.json"),
    "training": ("model_run", "training.json"),
    "baselines": ("baselines", "baselines.json"),
    "stress": ("stress", "stress.json"),
    "folds": ("folds", "folds.json"),
    "parity": ("pushed", "parity.json"),
}
_MAKERS = {
    "evidence": "ModelGate",
    "gates": "ModelGate",
    "findings": "DataGate",
    "audit": "DataGate",
    "statistics": "StatisticsGen",
    "training": "Trainer",
    "baselines": "BaselineModels",
    "stress": "Stress",
    "folds": "CrossValidation",
    "parity": "Pusher",
}
_SPLIT_ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class Sources:
    """A run's own records.

    Attributes:
      summary: The run's `summary.json`.
      files: By name, the content of the JSON files that are there.
      statistics: By split, TFDV's statistics.
      config: The config's text.
      card: What the config says of the model in words.
      folders: By key, the artifacts' folders that are there.
      broken: By name, what is wrong with a file that is there and cannot be read.
    """

    summary: Mapping[str, Any]
    files: Mapping[str, Any] = field(default_factory=dict)
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatistics] = field(default_factory=dict)
    config: str = ""
    card: Mapping[str, str | None] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    def why_not(self, name: str, otherwise: str = "") -> str:
        """Why a part that `name` would tell cannot be told.

        Args:
          name: A key of `files`, or `statistics`.
          otherwise: The reason where the run did not stop before and the file is there.
        """
        maker = _MAKERS[name]
        if name in self.broken:
            return f"Not readable: {_file_of(name)} of {maker}: {self.broken[name]}."
        if name in self.files or (name == "statistics" and self.statistics):
            return otherwise or f"Not measured: {maker} had nothing to tell."
        stopped = self.stopped_at()
        done = maker in (self.summary.get("seconds") or {})
        if stopped and not done:
            before = "" if stopped == maker else f", before {maker} was done"
            return f"Not measured: the run stopped at {stopped}{before}."
        return f"Not recorded: this run has no {_file_of(name)} of {maker}."

    def stopped_at(self) -> str:
        """The component at which the run stopped; empty for a run that succeeded."""
        if self.summary.get("status", "succeeded") == "succeeded":
            return ""
        if self.summary.get("stopped_at"):
            return str(self.summary["stopped_at"])
        told = dict(error_fields(self.summary.get("error")))
        place = told.get("where", "").split(",")[0].strip()
        if place in _MAKERS.values() or place.isidentifier():
            return place
        seconds = list(self.summary.get("seconds") or {})
        return f"the component after {seconds[-1]}" if seconds else "Setup"


def read_sources(
    folder: Path, summary: Mapping[str, Any], folders: Mapping[str, Path | str]
) -> Sources:
    """Reads the files of a run.

    Args:
      folder: The run folder.
      summary: The content of its `summary.json`.
      folders: By key (evidence, data_verdict, model_run, statistics, baselines, stress,
        folds, pushed), the folder of the artifact; a failed or an old run has fewer.
    """
    there = {key: Path(path) for key, path in folders.items() if Path(path).is_dir()}
    files: dict[str, Any] = {}
    broken: dict[str, str] = {}
    for name, (key, file) in _FILES.items():
        if key in there and (there[key] / file).is_file():
            try:
                files[name] = json.loads((there[key] / file).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                broken[name] = str(error)
    if "training" not in files and summary.get("training"):
        files["training"] = summary["training"]
    statistics, wrong = _statistics(there.get("statistics"))
    if wrong:
        broken["statistics"] = wrong
    text = folder / CONFIG_TEXT
    return Sources(
        summary=summary,
        files=files,
        statistics=statistics,
        config=text.read_text(encoding="utf-8", errors="replace") if text.is_file() else "",
        card=summary.get("card") or _card(folder / CONFIG_FILE),
        folders=there,
        broken=broken,
    )


def _card(resolved: Path) -> Mapping[str, str | None]:
    """The key `card` of the config as it was resolved, where the run folder has it."""
    if not resolved.is_file():
        return {}
    return json.loads(resolved.read_text(encoding="utf-8")).get("card") or {}


def error_fields(lines: list[str] | None) -> list[tuple[str, str]]:
    """The fields of an error as KelpError.lines wrote them."""
    fields = []
    for line in lines or []:
        name, _, text = line.partition(":")
        fields.append((name.strip(), text.strip()))
    return fields


def _file_of(name: str) -> str:
    return "FeatureStats.pb" if name == "statistics" else _FILES[name][1]


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
    return dict(sorted(found.items(), key=lambda item: _rank(item[0]))), wrong


def _rank(split: str) -> tuple[int, str]:
    known = split in _SPLIT_ORDER
    return (_SPLIT_ORDER.index(split) if known else len(_SPLIT_ORDER), split)
