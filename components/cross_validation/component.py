"""The CrossValidation component: a shell over `validate`."""

from pathlib import Path

import tensorflow_transform as tft
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

from components.artifacts import CrossValidation as CrossValidationArtifact
from components.artifacts import read_schema, rows_of, split_files
from components.cross_validation.config import CrossValidationSpec
from components.cross_validation.validate import validate
from contracts.results.files import write_result


@component
def CrossValidation(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    schema: InputArtifact[standard_artifacts.Schema],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    folds: OutputArtifact[CrossValidationArtifact],
    spec: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Trains once a fold of train, and writes mean and spread of the metrics.

    Raises:
      ConfigError: train has too few rows, keys or moments for the folds.
      ModelError: in some fold the loss is not a number.
    """
    metrics = validate(
        CrossValidationSpec.model_validate_json(spec),
        {name: split_files(examples, name) for name in ("train", "val")},
        rows_of(examples),
        read_schema(schema),
        tft.TFTransformOutput(transform_graph.uri),
    )
    write_result(Path(folds.uri), metrics)
