"""The Stress component: a shell over `assess`."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.artifacts import StressReport, read_schema, rows_of, split_files
from components.row_files import known_files
from components.row_sample import read_drawn, rows_held, sample_of, sampled_rows
from components.stress.assess import assess
from components.stress.config import StressJob
from contracts.results.files import write_result
from models.export.loaded_model import load_model


@component
def Stress(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    schema: InputArtifact[standard_artifacts.Schema],
    model: InputArtifact[standard_artifacts.Model],
    report: OutputArtifact[StressReport],
    spec: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Writes `stress.json`: the candidate's robustness, and the importance of its features.

    Raises:
      ConfigError: a stress names what it cannot fall on.
      ModelError: the candidate cannot be taken apart.
    """
    job = StressJob.model_validate_json(spec)
    schema_proto = read_schema(schema)
    paths = known_files(job.problem, [feature.name for feature in schema_proto.feature])
    needed = (*job.problem.raw_columns(), job.problem.label.name, *job.cluster_columns, *paths)
    columns = list(dict.fromkeys(needed))
    rows = rows_of(examples)["test"]
    files = split_files(examples, "test")
    sample = sample_of(rows, rows_held(files, job.sample_rows, copies=2), job.seed)
    table = read_drawn(files, schema_proto, sample, columns)
    candidate = load_model(Path(path_utils.serving_model_path(model.uri)))
    result = assess(candidate, table, job)
    sampled = sampled_rows("stress", table.num_rows, rows)
    write_result(Path(report.uri), result.model_copy(update={"sampled": sampled}))
