"""What every technique and format starts from: files, by path, so that a process can open them."""

from __future__ import annotations

from dataclasses import dataclass
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


class Material(Spec):
    """A trained network and the data that it learned from.

    Attributes:
      trainer: What the Trainer was told.
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

    def with_network(self, path: Path) -> Material:
        """The same with another network."""
        return self.model_copy(update={"network_path": str(path)})


@dataclass(frozen=True)
class Opened:
    """A material, opened.

    Attributes:
      material: What was opened.
      schema: The schema.
      graph: The transform graph.
      source: How raw examples become transformed features.
    """

    material: Material
    schema: Any
    graph: Any
    source: Source

    @property
    def inputs(self) -> list[InputSpec]:
        """The inputs of the network."""
        from models.data.transformed import input_specs

        return input_specs(self.material.trainer.problem, self.graph)

    def network(self) -> Any:
        """Loads the network, in Keras 3."""
        import keras

        spec = self.material.trainer.network
        if isinstance(spec, PythonSpec):
            load_function(spec.function)  # its module registers the layers that it defines
        return keras.models.load_model(self.material.network_path, compile=False)

    def split(self, name: Literal["train", "val"]) -> Split:
        """Reads and transforms a split; train in the order in which training saw it."""
        from models.data.dataset import load_split

        trainer = self.material.trainer
        train = name == "train"
        files = self.material.train_files if train else self.material.val_files
        seed = trainer.seed if train else None
        return load_split(name, files, self.source, trainer.training.cache, seed)

    def serving(self, network: Any) -> Serving:
        """What signatures of this network are made of."""
        from models.export.saved_model import Serving

        material = self.material
        return Serving(
            material.trainer.problem,
            self.schema,
            self.source.transform,
            network,
            material.threshold,
        )


def open_material(material: Material) -> Opened:
    """Opens the schema and the transform graph."""
    import tensorflow_transform as tft
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from models.data.dataset import Source
    from models.data.transform_layer import TransformLayer

    text = Path(material.schema_path).read_text(encoding="utf-8")
    schema = text_format.Parse(text, schema_pb2.Schema())
    graph = tft.TFTransformOutput(material.graph_path)
    label = material.trainer.problem.label.name
    source = Source(schema, TransformLayer(graph), label)
    return Opened(material, schema, graph, source)
