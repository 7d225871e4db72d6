"""A multi-layer perceptron over dense features, one-hot categories and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from models.networks.hidden import dense_block
from models.networks.ports import InputSpec, OutputSpec
from models.networks.towers import TowerSpec, build_towers


class MlpSpec(TowerSpec):
    """A multi-layer perceptron over dense features and embeddings."""

    kind: Literal["mlp"] = "mlp"

    def build(self, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
        """Dense blocks, one after the other; see `NetworkKind`."""

        def tower(tensor: Any, prefix: str) -> Any:
            for index, units in enumerate(self.units):
                tensor = dense_block(tensor, units, self, keras_module, f"{prefix}block_{index}")
            return tensor

        return build_towers(self, inputs, output, keras_module, tower)
