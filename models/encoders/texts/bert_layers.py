"""The layers of BERT-like encoders, and their weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.arrays import Array
from contracts.errors import DataError
from models.encoders.texts.bert import WEIGHTS_FILE, PretrainedText
from models.encoders.texts.kind import masked_layer

# What follows the prefix in a layer's name.
_WORDS, _PLACES, _NORM = "words", "places", "norm"


def bert_states(
    pretrained: PretrainedText, length: int, ids: Any, prefix: str, keras_module: Any
) -> Any:
    """Builds the layers, from ids to the states of the tokens.

    Every layer with weights has a name of its own, and none is a model: compression tools do
    not look into nested models. Attention is that of the encoders which are learned from
    scratch, because Keras's own does not survive eight bits.

    Args:
      pretrained: The folder: its config gives the sizes.
      length: How many tokens a text has at most.
      ids: `[batch, tokens]`, 0 after the last token.
      prefix: Of the layers' names.
      keras_module: `keras` or `tf_keras`.

    Returns:
      `[batch, tokens, width]`.
    """
    config, layers = pretrained.config, keras_module.layers
    words = layers.Embedding(
        config["vocab_size"], config["hidden_size"], name=f"{prefix}_{_WORDS}"
    )(ids)
    places = masked_layer("token_places", keras_module, places=length, name=f"{prefix}_{_PLACES}")
    states = _norm(config, f"{prefix}_{_NORM}", keras_module)(places(words))
    for index in range(pretrained.depth):
        states = _block(states, ids, config, f"{prefix}_{block_name(index)}", keras_module)
    return states


def block_name(index: int) -> str:
    """What the names of a block's layers begin with, behind the prefix."""
    return f"block_{index}"


def _block(states: Any, ids: Any, config: Mapping[str, Any], name: str, keras_module: Any) -> Any:
    """Attention and a hidden layer, each added to what came in and normalised after."""
    layers, width = keras_module.layers, config["hidden_size"]
    queries, keys, values = (
        layers.Dense(width, name=f"{name}_{part}")(states) for part in ("query", "key", "value")
    )
    heads = config["num_attention_heads"]
    shares = masked_layer("token_attention", keras_module, heads=heads)([queries, keys, ids])
    mixed = masked_layer("token_mix", keras_module)([shares, values])
    attended = layers.Dense(width, name=f"{name}_mixed")(mixed)
    states = layers.Add()([states, attended])
    states = _norm(config, f"{name}_mixed_norm", keras_module)(states)
    hidden = layers.Dense(config["intermediate_size"], name=f"{name}_hidden")(states)
    hidden = layers.Activation(config["hidden_act"])(hidden)
    hidden = layers.Dense(width, name=f"{name}_out")(hidden)
    return _norm(config, f"{name}_norm", keras_module)(layers.Add()([states, hidden]))


def _norm(config: Mapping[str, Any], name: str, keras_module: Any) -> Any:
    return keras_module.layers.LayerNormalization(epsilon=config["layer_norm_eps"], name=name)


def bert_weights(pretrained: PretrainedText, length: int) -> dict[str, list[Array]]:
    """The weights of each layer of `bert_states`, by what follows the prefix in its name.

    Raises:
      DataError: the file lacks some.
    """
    tensors = _Tensors(pretrained)
    # All tokens are of the first of the two kinds: its embedding joins that of the place.
    kind = tensors["embeddings.token_type_embeddings.weight"][0]
    places = tensors["embeddings.position_embeddings.weight"][:length] + kind
    weights = {
        _WORDS: [tensors["embeddings.word_embeddings.weight"]],
        _PLACES: [places],
        _NORM: tensors.norm("embeddings"),
    }
    for index in range(pretrained.depth):
        weights.update(_block_weights(tensors, f"encoder.layer.{index}", block_name(index)))
    return weights


def _block_weights(tensors: _Tensors, source: str, block: str) -> Iterator[tuple[str, list[Array]]]:
    for part in ("query", "key", "value"):
        yield f"{block}_{part}", tensors.dense(f"{source}.attention.self.{part}")
    yield f"{block}_mixed", tensors.dense(f"{source}.attention.output.dense")
    yield f"{block}_mixed_norm", tensors.norm(f"{source}.attention.output")
    yield f"{block}_hidden", tensors.dense(f"{source}.intermediate.dense")
    yield f"{block}_out", tensors.dense(f"{source}.output.dense")
    yield f"{block}_norm", tensors.norm(f"{source}.output")


class _Tensors:
    """The tensors of a file of weights."""

    def __init__(self, pretrained: PretrainedText) -> None:
        self._path = pretrained.folder / WEIGHTS_FILE
        self._tensors = pretrained.weights()

    def __getitem__(self, name: str) -> Array:
        if name not in self._tensors:
            raise DataError(
                f"the pretrained encoder lacks the weights {name}",
                where=str(self._path),
                expected="the tensors of a BERT-like encoder as its config.json describes it",
                received=f"{len(self._tensors)} others",
                fix="bring config.json and model.safetensors of one encoder",
            )
        return self._tensors[name]

    def norm(self, name: str) -> list[Array]:
        return [self[f"{name}.LayerNorm.weight"], self[f"{name}.LayerNorm.bias"]]

    def dense(self, name: str) -> list[Array]:
        """Those of dense layers are stored the other way round."""
        return [self[f"{name}.weight"].T, self[f"{name}.bias"]]
