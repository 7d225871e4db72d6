"""Reading TFX artifacts, and the artifact types of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tfx.types import artifact_utils
from tfx.types.artifact import Artifact, Property, PropertyType
from tfx.utils import io_utils


class DataVerdict(Artifact):
    """What the DataGate found: `findings.json`."""

    TYPE_NAME = "KelpDataVerdict"


class TrackedRun(Artifact):
    """What the Tracker logged: `tracked.json`.

    The custom property `redo` is 1 where MLflow did not take the run: the runner does not
    take such an artifact from the cache.
    """

    TYPE_NAME = "KelpTrackedRun"
    PROPERTIES = {"run_id": Property(type=PropertyType.STRING)}


class Predictions(Artifact):
    """What each model says of the rows of test: `test.parquet` and `predictions.json`."""

    TYPE_NAME = "KelpPredictions"


class BaselineModels(Artifact):
    """Baseline models on the rows of test: `test.parquet` and `baselines.json`."""

    TYPE_NAME = "KelpBaselineModels"


class StressReport(Artifact):
    """Robustness and importance of the candidate: `stress.json`."""

    TYPE_NAME = "KelpStressReport"


class CrossValidation(Artifact):
    """Mean and spread of the metrics over folds: `folds.json`."""

    TYPE_NAME = "KelpCrossValidation"


class ModelVerdict(Artifact):
    """Why the candidate was or was not blessed: `gates.json` and `evidence.json`."""

    TYPE_NAME = "KelpModelVerdict"


class NetworkWeights(Artifact):
    """Other weights for the candidate's network: `network.keras`, `weights.json`, `golden/`."""

    TYPE_NAME = "KelpNetworkWeights"


class Variant(Artifact):
    """One compressed form of the candidate: `model/`, `golden/` and `variant.json`."""

    TYPE_NAME = "KelpVariant"


class VariantVerdict(Artifact):
    """What one variant is worth, and why it was or was not blessed: `verdict.json`."""

    TYPE_NAME = "KelpVariantVerdict"


class PushedVariants(Artifact):
    """Where the blessed variants went: `pushed.json`.

    The custom property `destinations` is a JSON list of the folders.
    """

    TYPE_NAME = "KelpPushedVariants"


def splits_of(artifact: Artifact) -> list[str]:
    """The splits of an artifact, in its own order."""
    return list(artifact_utils.decode_split_names(artifact.split_names))


def split_files(examples: Artifact, split: str) -> list[str]:
    """The files of one split of an Examples artifact, sorted."""
    folder = Path(artifact_utils.get_split_uri([examples], split))
    return sorted(str(path) for path in folder.iterdir() if path.is_file())


def spans_of(examples: Artifact) -> dict[str, list[tuple[int, int]]]:
    """By split, its spans in the order of its rows, each with its number of rows.

    Every span is 0 where the data's path has none; empty for examples that ExampleGen did
    not write.
    """
    held = examples.get_string_custom_property("spans")
    runs = json.loads(held) if held else {}
    return {split: [(span, rows) for span, rows in runs[split]] for split in runs}


def rows_of(examples: Artifact) -> dict[str, int]:
    """Rows by split, as ExampleGen counted them."""
    return {
        split: examples.get_int_custom_property(f"rows_{split}") for split in splits_of(examples)
    }


def read_schema(schema: Artifact) -> Any:
    """The schema of a Schema artifact."""
    return io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri))
