"""BERT-like encoders from a local folder, in layers of Keras."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import DataError

Array = np.ndarray[Any, Any]

CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE = "config.json", "vocab.txt", "model.safetensors"
_TOKENIZER_FILE = "tokenizer_config.json"
_FILES = (CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE)
# The encoder pads with 0: its vocabulary begins with that token.
_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_ACTIVATIONS = {"gelu": "gelu", "relu": "relu"}
_PREFIX = "bert."
_WORDS, _PLACES = "word_embeddings", "place_embeddings"


@dataclass(frozen=True)
class PretrainedText:
    """A folder with a BERT-like encoder.

    Attributes:
      folder: It has `config.json`, `vocab.txt` and `model.safetensors`.
      layers: How many layers are read, from the first; None reads them all.
    """

    folder: Path
    layers: int | None = None

    def check(self, where: str) -> None:
        """Checks that it is all there, and of a kind that is known.

        Args:
          where: The key of the config that names it.

        Raises:
          DataError: it is not.
        """
        absent = [name for name in _FILES if not (self.folder / name).is_file()]
        if absent:
            raise DataError(
                f"the pretrained encoder lacks {', '.join(absent)}",
                where=f"{where}: {self.folder}",
                expected=f"a folder with {', '.join(_FILES)}",
                received="no such folder" if not self.folder.is_dir() else "a folder without them",
                fix="put the files of the encoder there; nothing is downloaded",
            )
        config = self.config
        kind, places = config.get("model_type"), config.get("position_embedding_type", "absolute")
        if kind != "bert" or places != "absolute" or config["hidden_act"] not in _ACTIVATIONS:
            raise DataError(
                "the pretrained encoder is of a kind that is not known",
                where=str(self.folder / CONFIG_FILE),
                expected=f"model_type bert, absolute positions, {' or '.join(_ACTIVATIONS)}",
                received=f"{kind}, {places} positions, {config.get('hidden_act')}",
                fix="choose an encoder of BERT's kind, such as MiniLM",
            )
        most = config["num_hidden_layers"]
        if self.layers is not None and self.layers > most:
            raise DataError(
                "the pretrained encoder has fewer layers than are to be read",
                where=f"{where}_layers",
                expected=f"at most {most}",
                received=str(self.layers),
            )
        unknown = [mark for mark in _MARKS if mark not in self.tokens]
        if unknown or self.tokens[0] != _MARKS[0]:
            raise DataError(
                "the vocabulary of the pretrained encoder is not BERT's",
                where=str(self.folder / VOCABULARY_FILE),
                expected=f"the tokens {', '.join(_MARKS)}, the first of them in its first line",
                received=f"no {', '.join(unknown)}" if unknown else f"{self.tokens[0]} there",
            )

    @cached_property
    def config(self) -> dict[str, Any]:
        """The encoder's sizes."""
        config: dict[str, Any] = json.loads((self.folder / CONFIG_FILE).read_text("utf-8"))
        return config

    @property
    def depth(self) -> int:
        """How many layers are read."""
        return self.layers or int(self.config["num_hidden_layers"])

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The vocabulary in the order of its ids."""
        text = (self.folder / VOCABULARY_FILE).read_text("utf-8")
        return tuple(text.removesuffix("\n").split("\n"))

    @cached_property
    def marks(self) -> dict[str, int]:
        """The ids of padding, of what is unknown, of the start and of the end."""
        places = {token: place for place, token in enumerate(self.tokens)}
        names = ("padding", "unknown", "start", "end")
        return {name: places[mark] for name, mark in zip(names, _MARKS, strict=True)}

    @cached_property
    def lowercase(self) -> bool:
        """Whether it knows lower case only; accents then are taken off, too."""
        path = self.folder / _TOKENIZER_FILE
        settings = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return bool(settings.get("do_lower_case", True))

    def sha256(self) -> str:
        """The digest of what decides its answers."""
        digest = hashlib.sha256()
        for name in (*_FILES, _TOKENIZER_FILE):
            path = self.folder / name
            if path.is_file():
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def check_digest(self, expected: str) -> None:
        """Checks that the files are those that the config was read with.

        Raises:
          DataError: they are not.
        """
        received = self.sha256()
        if received != expected:
            raise DataError(
                "the pretrained encoder has changed since the run began",
                where=str(self.folder),
                expected=f"SHA-256 {expected}",
                received=received,
                fix="start the run again",
            )

    def weights(self) -> dict[str, Array]:
        """The weights by name."""
        from safetensors.numpy import load_file

        tensors: dict[str, Array] = load_file(self.folder / WEIGHTS_FILE)
        return {name.removeprefix(_PREFIX): value for name, value in tensors.items()}


def build_bert(pretrained: PretrainedText, keras_module: Any) -> Any:
    """Builds the encoder with its weights.

    Args:
      pretrained: The folder.
      keras_module: `keras` or `tf_keras`.

    Returns:
      A model from ids, places (both int `[batch, tokens]`) and what may be attended to (bool
      `[batch, 1, tokens]`) to the tokens' states `[batch, tokens, width]`.
    """
    config, layers = pretrained.config, keras_module.layers
    width = config["hidden_size"]
    ids = keras_module.Input([None], dtype="int32", name="ids")
    places = keras_module.Input([None], dtype="int32", name="places")
    there = keras_module.Input([1, None], dtype="bool", name="there")
    words = layers.Embedding(config["vocab_size"], width, name=_WORDS)(ids)
    positions = layers.Embedding(config["max_position_embeddings"], width, name=_PLACES)(places)
    states = _norm(config, "embeddings_norm", keras_module)(layers.Add()([words, positions]))
    for index in range(pretrained.depth):
        states = _block(states, there, config, f"block_{index}", keras_module)
    model = keras_module.Model([ids, places, there], states, name="bert")
    _assign(model, pretrained)
    return model


def _block(states: Any, there: Any, config: dict[str, Any], name: str, keras_module: Any) -> Any:
    """Attention and a hidden layer, each added to what came in and normalised after."""
    layers = keras_module.layers
    heads, width = config["num_attention_heads"], config["hidden_size"]
    attention = layers.MultiHeadAttention(heads, width // heads, name=f"{name}_attention")
    attended = attention(states, states, attention_mask=there)
    states = _norm(config, f"{name}_attention_norm", keras_module)(layers.Add()([states, attended]))
    hidden = layers.Dense(config["intermediate_size"], name=f"{name}_hidden")(states)
    hidden = layers.Activation(_ACTIVATIONS[config["hidden_act"]])(hidden)
    hidden = layers.Dense(width, name=f"{name}_out")(hidden)
    return _norm(config, f"{name}_norm", keras_module)(layers.Add()([states, hidden]))


def _norm(config: dict[str, Any], name: str, keras_module: Any) -> Any:
    return keras_module.layers.LayerNormalization(epsilon=config["layer_norm_eps"], name=name)


def _assign(model: Any, pretrained: PretrainedText) -> None:
    """Gives the layers their weights; those of dense layers are stored the other way round."""
    weights, config = pretrained.weights(), pretrained.config
    heads = config["num_attention_heads"]

    def norm(layer: str, name: str) -> None:
        pair = [weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"]]
        model.get_layer(layer).set_weights(pair)

    def dense(name: str) -> list[Array]:
        return [weights[f"{name}.weight"].T, weights[f"{name}.bias"]]

    # All tokens are of the first of the two kinds: its embedding joins that of the place.
    places = weights["embeddings.position_embeddings.weight"]
    kind = weights["embeddings.token_type_embeddings.weight"][0]
    model.get_layer(_WORDS).set_weights([weights["embeddings.word_embeddings.weight"]])
    model.get_layer(_PLACES).set_weights([places + kind])
    norm("embeddings_norm", "embeddings")
    for index in range(pretrained.depth):
        source, block = f"encoder.layer.{index}", f"block_{index}"
        attention: list[Array] = []
        for part in ("query", "key", "value"):
            kernel, bias = dense(f"{source}.attention.self.{part}")
            attention += [kernel.reshape(len(kernel), heads, -1), bias.reshape(heads, -1)]
        kernel, bias = dense(f"{source}.attention.output.dense")
        attention += [kernel.reshape(heads, -1, kernel.shape[-1]), bias]
        model.get_layer(f"{block}_attention").set_weights(attention)
        norm(f"{block}_attention_norm", f"{source}.attention.output")
        model.get_layer(f"{block}_hidden").set_weights(dense(f"{source}.intermediate.dense"))
        model.get_layer(f"{block}_out").set_weights(dense(f"{source}.output.dense"))
        norm(f"{block}_norm", f"{source}.output")
