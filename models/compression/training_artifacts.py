"""What every technique and format starts from: files, by path, so that a process can open them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from contracts.spec import Spec
from models.networks.spec import PythonSpec
from models.training.config import TrainerSpec
from models.user_code import load_function

if TYPE_CHECKING:
    from models.data.dataset import Source, Split
    from models.export.saved_model import Serving
    from models.networks import InputSpec


class TrainingArtifacts(Spec):
    """A trained network and the data that it learned from.

    Attributes:
      trainer: The config of the Trainer.
      network_path: The network, as Keras wrote it.
      threshold: The operating threshold; binary only.
      train_files: The files of train.
      val_files: The files of val.
      schema_path: The schema with dense representations.
      graph_path: The transform graph.
    """

    trainer: TrainerSpec
    network_path: str
    threshold: float | None
    train_files: tuple[str, ...]
    val_files: tuple[str, ...]
    schema_path: str
    graph_path: str

    def with_network(self, path: Path) -> TrainingArtifacts:
        """The same with another network."""
        return self.model_copy(update={"network_path": str(path)})


@dataclass(frozen=True)
class Opened:
    """Training artifacts, opened.

    Attributes:
      artifacts: What was opened.
      schema: The schema.
      graph: The transform graph.
      source: How raw examples become transformed features.
    """

    artifacts: TrainingArtifacts
    schema: Any
    graph: Any
    source: Source

    @cached_property
    def inputs(self) -> list[InputSpec]:
        """The inputs of the network."""
        from models.data.transformed import input_specs

        return input_specs(self.artifacts.trainer.problem, self.graph)

    def network(self) -> Any:
        """Loads the network, in Keras 3."""
        import keras

        from models.features.layers import register_layers

        register_layers()
        spec = self.artifacts.trainer.network
        if isinstance(spec, PythonSpec):
            load_function(spec.function)  # its module registers the layers that it defines
        return keras.models.load_model(self.artifacts.network_path, compile=False)

    def split(self, name: Literal["train", "val"]) -> Split:
        """Reads and transforms a split; train in the order in which training saw it.

        Its rows are numbered, so that targets can be set beside their labels.
        """
        from models.data.dataset import load_split

        trainer = self.artifacts.trainer
        train = name == "train"
        files = self.artifacts.train_files if train else self.artifacts.val_files
        seed = trainer.seed if train else None
        return load_split(name, files, self.source, trainer.training.cache, seed, numbered=True)

    def serving(self, network: Any) -> Serving:
        """What signatures of this network are made of."""
        from models.export.saved_model import Serving

        artifacts = self.artifacts
        return Serving(
            artifacts.trainer.problem,
            self.schema,
            self.source.transform,
            network,
            artifacts.threshold,
        )


def open_artifacts(artifacts: TrainingArtifacts) -> Opened:
    """Opens the schema and the transform graph."""
    import tensorflow_transform as tft
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from models.data.dataset import Source
    from models.data.transform_layer import TransformLayer

    text = Path(artifacts.schema_path).read_text(encoding="utf-8")
    schema = text_format.Parse(text, schema_pb2.Schema())
    graph = tft.TFTransformOutput(artifacts.graph_path)
    label = artifacts.trainer.problem.label.name
    source = Source(schema, TransformLayer(graph), label)
    return Opened(artifacts, schema, graph, source)
