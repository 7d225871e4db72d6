"""The BaselineModels component: a shell over `fit_baselines`."""

from pathlib import Path

import tensorflow_transform as tft
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

from components.artifacts import BaselineModels as BaselineModelsArtifact
from components.artifacts import read_schema, rows_of, split_files
from components.baseline_models.baselines import fit_baselines
from components.baseline_models.config import BaselineFitSpec
from components.baseline_models.files import write_baselines


@component
def BaselineModels(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    schema: InputArtifact[standard_artifacts.Schema],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    baselines: OutputArtifact[BaselineModelsArtifact],
    spec: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Fits majority, linear and trees on train, and writes what they say of test."""
    scores, report = fit_baselines(
        BaselineFitSpec.model_validate_json(spec),
        {name: split_files(examples, name) for name in ("train", "val", "test")},
        rows_of(examples),
        read_schema(schema),
        tft.TFTransformOutput(transform_graph.uri),
    )
    write_baselines(Path(baselines.uri), scores, report)
