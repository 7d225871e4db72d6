"""A multi-layer perceptron over dense features, one-hot categories and embeddings.

The Keras module is an argument: Keras 3 trains the network, and tf_keras can build the
same one for tools that know no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.networks import parts
from models.networks.ports import InputSpec, OutputSpec
from models.networks.spec import MlpSpec


def build(spec: MlpSpec, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
    """Builds the network as a functional model with a dict of inputs.

    Args:
      spec: Layers and regularisation.
      inputs: The transformed features.
      output: What to predict.
      keras_module: `keras` or `tf_keras`.

    Returns:
      An uncompiled model: P(second class) as `[batch, 1]`, class probabilities as
      `[batch, classes]`, or the label's value as `[batch, 1]`; float32 always.
    """
    entries, hidden = parts.joined_features(inputs, keras_module)
    for index, units in enumerate(spec.units):
        hidden = parts.dense_block(index, units, spec, keras_module)(hidden)
    outputs = parts.head(output, keras_module.layers)(hidden)
    return keras_module.Model(inputs=entries, outputs=outputs, name="mlp")
