"""The DataGate component: nothing learns from data that it did not let through."""

from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.artifacts import DataVerdict, read_schema, rows_of, spans_of, split_files, splits_of
from components.data_gate.audit.audit import report_of, run_audit, to_findings
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.read import audited_rows, sampled_checks
from components.data_gate.config import AuditSpec
from components.data_gate.findings import find_all
from components.data_gate.rows import example_row
from components.example_gen.config import SplitSpec
from components.example_gen.series.findings import findings_of
from contracts.errors import GateError
from contracts.results.audit import AuditReport, DataFinding, write_findings
from contracts.results.files import write_result
from models.data.file_columns import mark_files
from models.data.representation import dense_schema
from models.features.spec import FeaturesSpec

_NAMED = 10


@component
def DataGate(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    statistics: InputArtifact[standard_artifacts.ExampleStatistics],
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    inferred: InputArtifact[standard_artifacts.Schema],
    schema: OutputArtifact[standard_artifacts.Schema],
    verdict: OutputArtifact[DataVerdict],
    problem: Parameter[str],
    audit: Parameter[str],
    split: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Writes the schema with dense representations, if and only if the data are fit.

    Args:
      examples: The rows, in splits.
      statistics: Of the same rows.
      anomalies: Of the statistics, against `inferred`.
      inferred: The schema that the data were checked against.
      schema: The same for those who learn; not written where the data are unfit.
      verdict: `findings.json` and `audit.json`.
      problem: FeaturesSpec as JSON.
      audit: AuditSpec as JSON.
      split: SplitSpec as JSON.
      source_digest: A digest of the source, for TFX's cache.

    Raises:
      GateError: at least one finding blocks.
    """
    spec = FeaturesSpec.model_validate_json(problem)
    checked = read_schema(inferred)
    checked = mark_files(checked, spec.file_columns())
    findings = find_all(read_statistics(statistics), read_anomalies(anomalies), checked, spec)
    findings = [
        finding.model_copy(update={"example": _example(examples, checked, finding)})
        for finding in findings
    ]
    # Columns that are missing or of another type than expected cannot be audited.
    refuse(findings)
    about = AuditData(
        {},
        spec,
        AuditSpec.model_validate_json(audit),
        SplitSpec.model_validate_json(split),
        spans_of(examples),
        series=findings_of(examples),
    )
    files = {name: split_files(examples, name) for name in splits_of(examples)}
    dense = dense_schema(checked, spec)
    with audited_rows(about, files, dense, sum(rows_of(examples).values())) as data:
        part = run_audit(data)
        report = report_of(part, sampled_checks(data))
    findings = [*to_findings(part), *findings]
    refuse(findings, report)
    write_findings(Path(verdict.uri), findings)
    write_result(Path(verdict.uri), report)
    io_utils.write_pbtxt_file(str(Path(schema.uri) / "schema.pbtxt"), dense)


def refuse(findings: list[DataFinding], audit: AuditReport | None = None) -> None:
    """Raises a GateError about the first blocking finding; it names and counts the others.

    Args:
      findings: Blocking ones or not.
      audit: All checks, which a failed run has no artifact for.
    """
    blocking = [finding for finding in findings if finding.severity == "block"]
    if not blocking:
        return
    first, others = blocking[0], list(dict.fromkeys(map(_name, blocking[1:])))
    named = ", ".join(others[:_NAMED]) + (", ..." if len(others) > _NAMED else "")
    error = GateError(
        first.what + (f" And {len(blocking) - 1} more: {named}." if others else ""),
        where="DataGate, "
        + (f"feature {first.feature}, " if first.feature else "")
        + f"split {first.split}"
        + (f", {first.example}" if first.example else ""),
        expected=first.expected,
        received=first.received,
        fix=first.fix
        or "correct the data; or, if they are right, the schema (`kelp schema freeze` writes it) "
        "or the feature's entry in the config",
    )
    error.audit = None if audit is None else audit.to_json()
    raise error


def _name(finding: DataFinding) -> str:
    about = f"{finding.feature} ({finding.split})" if finding.feature else f"({finding.split})"
    return about if finding.check == "schema" else f"{finding.check} {about}"


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


def _example(examples: object, schema: object, finding: DataFinding) -> str:
    if finding.split not in splits_of(examples):
        return ""
    return example_row(split_files(examples, finding.split), schema, finding)
