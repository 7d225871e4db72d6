"""BERT-like encoders in a local folder; models/encoders/texts/bert_layers.py has their layers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from contracts.arrays import Array
from contracts.errors import DataError

CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE = "config.json", "vocab.txt", "model.safetensors"
_TOKENIZER_FILE = "tokenizer_config.json"
_FILES = (CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE)
# The encoder pads with 0: its vocabulary begins with that token.
_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_ACTIVATIONS = ("gelu", "relu")
_PREFIX = "bert."


@dataclass(frozen=True)
class PretrainedText:
    """A folder with a BERT-like encoder.

    Attributes:
      folder: It has `config.json`, `vocab.txt` and `model.safetensors`.
      layers: How many layers are read, from the first; None reads them all.
    """

    folder: Path
    layers: int | None = None

    def check(self, where: str, layers_key: str, length: int) -> None:
        """Checks that it is all there, of a kind that is known, and takes texts of a length.

        Args:
          where: The key of the config that names it.
          layers_key: The one that says how many layers are read.
          length: How many tokens are read.

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
                where=layers_key,
                expected=f"at most {most}",
                received=str(self.layers),
            )
        if length > config["max_position_embeddings"]:
            raise DataError(
                "the pretrained encoder takes shorter texts than are to be read",
                where="length",
                expected=f"at most {config['max_position_embeddings']}",
                received=str(length),
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
