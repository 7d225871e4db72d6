"""The VariantEvaluator component: one artifact, run as it will be served, and judged."""

import json
import time
from functools import partial
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

from components.artifacts import (
    Predictions,
    Variant,
    VariantVerdict,
    read_schema,
    rows_of,
    split_files,
)
from components.row_sample import sample_of, write_drawn
from components.variant_evaluator.evaluate import Setting, evaluate_variant
from contracts.results.files import write_result
from evidence.config import EvaluationSpec
from evidence.prediction_table import read_predictions
from models.compression.spec import VariantSpec


@component
def VariantEvaluator(  # noqa: N802 (a TFX component is named as a class)
    variant: InputArtifact[Variant],
    reference: InputArtifact[Variant],
    predictions: InputArtifact[Predictions],
    examples: InputArtifact[standard_artifacts.Examples],
    schema: InputArtifact[standard_artifacts.Schema],
    verdict: OutputArtifact[VariantVerdict],
    spec: Parameter[str],
    evaluation: Parameter[str],
    seed: Parameter[int],
    cluster_columns: Parameter[str],
    timeout_s: Parameter[int],
    source_digest: Parameter[str],
) -> None:
    """Writes `verdict.json`: a variant that fails is refused, and the run goes on."""
    began = time.monotonic()
    setting = Setting(
        EvaluationSpec.model_validate_json(evaluation),
        seed,
        tuple(json.loads(cluster_columns)),
        timeout_s,
    )
    judged = evaluate_variant(
        VariantSpec.model_validate_json(spec),
        Path(variant.uri),
        Path(reference.uri),
        read_predictions(Path(predictions.uri)),
        partial(
            write_drawn,
            files=split_files(examples, "test"),
            schema=read_schema(schema),
            sample=sample_of(rows_of(examples)["test"], setting.spec.sample_rows, seed),
        ),
        setting,
    )
    seconds = {**judged.seconds, "evaluate": round(time.monotonic() - began, 1)}
    verdict.set_string_custom_property("status", judged.status)
    write_result(Path(verdict.uri), judged.model_copy(update={"seconds": seconds}))
