"""The Weights component: one fine-tuning, shared by the variants that take its weights."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts

from components.artifacts import NetworkWeights
from components.compressor.make import FAILURE_FILE, failure_of, training_artifacts
from contracts.errors import ModelError
from contracts.files import write_json
from models.compression.spec import parse_weights
from models.compression.weights import make_weights


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
    folder = Path(weights.uri)
    artifacts = training_artifacts(trainer, examples, schema, transform_graph, model_run)
    try:
        make_weights(parse_weights(spec), artifacts, folder, timeout_s)
    except ModelError as error:
        write_json(folder / FAILURE_FILE, failure_of(error))
