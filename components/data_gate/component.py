"""The DataGate component: nothing learns from data that it did not let through."""

import dataclasses
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.artifacts import DataVerdict, split_files, splits_of
from components.data_gate.findings import Finding, find_all
from components.data_gate.rows import example_row
from components.jsonfile import write_json
from models.errors import GateError
from models.features import FeaturesSpec
from models.representation import dense_schema

FINDINGS_FILE = "findings.json"


@component
def DataGate(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    statistics: InputArtifact[standard_artifacts.ExampleStatistics],
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    inferred: InputArtifact[standard_artifacts.Schema],
    schema: OutputArtifact[standard_artifacts.Schema],
    verdict: OutputArtifact[DataVerdict],
    problem: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Writes the schema with dense representations, if and only if the data are fit.

    Raises:
      GateError: at least one finding blocks.
    """
    spec = FeaturesSpec.model_validate_json(problem)
    held = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(inferred.uri))
    findings = find_all(read_statistics(statistics), read_anomalies(anomalies), held, spec)
    findings = [
        dataclasses.replace(finding, example=_example(examples, held, finding))
        for finding in findings
    ]
    refuse(findings)
    write_json(Path(verdict.uri) / FINDINGS_FILE, [finding.to_dict() for finding in findings])
    io_utils.write_pbtxt_file(str(Path(schema.uri) / "schema.pbtxt"), dense_schema(held, spec))


def refuse(findings: list[Finding]) -> None:
    """Raises a GateError about the first blocking finding; it counts the others."""
    blocking = [finding for finding in findings if finding.severity == "block"]
    if not blocking:
        return
    first, more = blocking[0], len(blocking) - 1
    others = ", ".join(sorted({f"{item.feature} ({item.split})" for item in blocking[1:]})[:6])
    raise GateError(
        first.what + (f" And {more} more: {others}." if more else ""),
        where=f"DataGate, feature {first.feature}, split {first.split}"
        + (f", {first.example}" if first.example else ""),
        expected=first.expected,
        received=first.received,
        fix="mend the data; or, if they are right, the schema (`kelp schema freeze` writes it) "
        "or the feature's entry in the config",
    )


def read_statistics(artifact: object) -> dict[str, statistics_pb2.DatasetFeatureStatistics]:
    """One dataset's statistics by split, from an ExampleStatistics artifact."""
    return {
        split: stats_artifact_utils.load_statistics(artifact, split).proto().datasets[0]
        for split in splits_of(artifact)
    }


def read_anomalies(artifact: object) -> dict[str, anomalies_pb2.Anomalies]:
    """Anomalies by split, from an ExampleAnomalies artifact."""
    return {
        split: anomalies_pb2.Anomalies.FromString(
            Path(
                io_utils.get_only_uri_in_dir(artifact_utils.get_split_uri([artifact], split))
            ).read_bytes()
        )
        for split in splits_of(artifact)
    }


def _example(examples: object, schema: object, finding: Finding) -> str:
    if finding.split not in splits_of(examples):
        return ""
    return example_row(split_files(examples, finding.split), schema, finding)
