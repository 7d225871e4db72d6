"""The Compressor component: one variant in its format."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.artifacts import NetworkWeights, Variant
from components.compressor.make import Sources, make_variant, training_artifacts
from models.compression.spec import VariantSpec


@component
def Compressor(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    schema: InputArtifact[standard_artifacts.Schema],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    model: InputArtifact[standard_artifacts.Model],
    model_run: InputArtifact[standard_artifacts.ModelRun],
    weights: InputArtifact[NetworkWeights],
    variant: OutputArtifact[Variant],
    spec: Parameter[str],
    trainer: Parameter[str],
    timeout_s: Parameter[int],
    source_digest: Parameter[str],
) -> None:
    """Writes the artifact of a variant, or why there is none: the run goes on."""
    make_variant(
        VariantSpec.model_validate_json(spec),
        training_artifacts(trainer, examples, schema, transform_graph, model_run),
        Sources(
            candidate=Path(path_utils.serving_model_path(model.uri)),
            weights=Path(weights.uri),
            data=examples.get_string_custom_property("input_fingerprint"),
        ),
        Path(variant.uri),
        timeout_s,
    )
