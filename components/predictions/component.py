"""The Predictions component: test is read once, by each model."""

from pathlib import Path
from typing import List  # noqa: UP035 (TFX looks for this one)

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.artifacts import Predictions as PredictionsArtifact
from components.artifacts import read_schema, rows_of, split_files
from components.predictions.keys import KeysSpec
from components.predictions.predict import predict
from components.row_sample import sample_of
from evidence.prediction_table import BASELINE, CANDIDATE, write_predictions
from models.features.spec import FeaturesSpec


@component
def Predictions(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    schema: InputArtifact[standard_artifacts.Schema],
    model: InputArtifact[standard_artifacts.Model],
    predictions: OutputArtifact[PredictionsArtifact],
    problem: Parameter[str],
    keys: Parameter[str],
    sample_rows: Parameter[int],
    seed: Parameter[int],
    source_digest: Parameter[str],
    baseline_model: InputArtifact[List[standard_artifacts.Model]] = None,  # noqa: UP006
) -> None:
    """Writes the predictions of the candidate, and of the baseline where there is one.

    Beside them stand the raw columns that rows can be sliced by; `keys` is a KeysSpec as JSON.
    Of more rows than `sample_rows`, about as many are drawn.

    Raises:
      ModelError: a model gives something that is no number.
    """
    spec = FeaturesSpec.model_validate_json(problem)
    models = {CANDIDATE: model} | ({BASELINE: baseline_model[0]} if baseline_model else {})
    rows = rows_of(examples)["test"]
    table = predict(
        split_files(examples, "test"),
        read_schema(schema),
        spec,
        {name: Path(path_utils.serving_model_path(item.uri)) for name, item in models.items()},
        KeysSpec.model_validate_json(keys),
        sample_of(rows, sample_rows, seed),
        rows,
    )
    write_predictions(Path(predictions.uri), table)
