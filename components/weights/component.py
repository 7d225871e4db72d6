"""The Weights component: one fine-tuning, shared by the variants that take its weights."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

from components.artifacts import NetworkWeights
from components.compressor.make import training_artifacts
from components.weights.make import make_or_report
from models.compression.spec import parse_weights


@component
def Weights(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    schema: InputArtifact[standard_artifacts.Schema],
    transform_graph: InputArtifact[standard_artifacts.TransformGraph],
    model_run: InputArtifact[standard_artifacts.ModelRun],
    weights: OutputArtifact[NetworkWeights],
    spec: Parameter[str],
    trainer: Parameter[str],
    timeout_s: Parameter[int],
    source_digest: Parameter[str],
) -> None:
    """Writes the network with other weights, or why there are none: the run goes on."""
    artifacts = training_artifacts(trainer, examples, schema, transform_graph, model_run)
    make_or_report(parse_weights(spec), artifacts, Path(weights.uri), timeout_s)
